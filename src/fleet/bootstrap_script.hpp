// What the hosts' shells are told: POSIX sh, for dash, bash, busybox and whatever else is called sh
// on a Linux, needing as little as possible beside it. docs/bootstrap.md says what it does.
//
// It comes in two lines. The first finds the binary of an earlier time and becomes it; that is all
// that hosts get which have it. The second one, which installs it, goes only where it is needed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace murder::fleet {

/// What each of the script's own lines on stdout begins with, before the nonce.
inline constexpr std::string_view bootstrap_marker = "murder-boot ";

/// How the binary travels over a session.
enum class Packing { gzip, xz };

/// A static binary, as a host has to know it.
struct BootstrapBinary {
  std::string machine;  ///< as machine_name() has it
  Sha256Digest sha256;
  std::uint64_t size = 0;  ///< bytes, uncompressed
};

/// "murder-0123456789abcdef".
std::string file_name(const BootstrapBinary& binary);

/// The script's first line, with its newline.
std::string find_line(const std::string& nonce, const std::vector<BootstrapBinary>& binaries,
                      const std::string& dest, const std::vector<std::string>& arguments);

/// Definitions that follow it, without newline: "…; ". After them `get URL SECONDS`, `take
/// BYTES` (of gzip) and `take BYTES xz` are commands.
std::string install_definitions(const BootstrapBinary& binary);

}  // namespace murder::fleet
