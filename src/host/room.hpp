// What is said when the disk is full, before and after: needed, free, and the way out.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "host/destination.hpp"

namespace murder {

/// ENOSPC or EDQUOT.
bool is_disk_full(int error_number);

/// Error{failed} "OPERATION OBJECT: REASON". For a full disk: "… no space left in DEST (needed N, M
/// free); make room and run the same command again", where `needed_bytes` is what is still to be
/// written.
Error write_error(const Destination& destination, std::string_view operation,
                  std::string_view object, std::uint64_t needed_bytes, int error_number);

}  // namespace murder
