#include "fleet/bootstrap.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/host_binary.hpp"
#include "fleet/shell_quote.hpp"

namespace murder::fleet {
namespace {

/// Of what is not the script's: a host that goes on and on is given up on.
constexpr std::size_t most_noise = 1_MiB;
/// Of one of the script's lines.
constexpr std::size_t longest_line = 16_KiB;
constexpr std::size_t longest_reason = 500;

void refuse_line_ends(const char* what, const std::string& text) {
  if (text.find_first_of(std::string_view("\n\0", 2)) == std::string::npos) return;
  throw Error(
      ErrorKind::usage,
      fmt::format("{} has a line end in it, which no host can be told: {}", what, printable(text)));
}

bool is_machine(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

std::string reason(std::string_view text) {
  while (text.ends_with(' ') || text.ends_with(';')) text.remove_suffix(1);
  return text.empty() ? "without a reason" : printable(text, longest_reason);
}

}  // namespace

std::string remote_command(bool sudo) {
  const std::string shell = "sh -c 'IFS= read -r l && eval \"$l\"'";
  if (!sudo) return "exec " + shell;
  // sudo clears the environment, and SSH_CONNECTION is where the host's address comes from; as an
  // argument it takes no permission beyond that for sh. Of messages LANGUAGE alone decides, so that
  // what sudo says can be understood here and hooks keep the locale that they have.
  return fmt::format("exec env LANGUAGE=en sudo -n {} sh \"$SSH_CONNECTION\"", shell);
}

BootstrapDialogue::BootstrapDialogue(BootstrapOptions options) {
  refuse_line_ends("DEST", options.dest);
  for (const std::string& argument : options.arguments) refuse_line_ends("an argument", argument);
  marker_ = fmt::format("{}{} ", bootstrap_marker, options.nonce);
  first_line_ = find_line(options.nonce, options.binaries, options.dest, options.arguments);
}

BootstrapStep BootstrapDialogue::on_output(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    // Of a long line the beginning tells whose it is.
    const std::size_t room = longest_line - std::min(longest_line, pending_.size());
    pending_.append(part.substr(0, room));
    if (!pending_.starts_with(marker_)) noise_bytes_ += part.size() + 1;
    if (noise_bytes_ > most_noise)
      return Failed{fmt::format("its login shell wrote more than {} before it answered, last: {}",
                                format_bytes(most_noise), printable(pending_))};
    if (end == std::string_view::npos) return Waiting{};

    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(pending_, {});
    BootstrapStep step = on_line(line);
    if (auto* running = std::get_if<Running>(&step)) running->rest = bytes;
    if (!std::holds_alternative<Waiting>(step)) return step;
  }
  return Waiting{};
}

BootstrapStep BootstrapDialogue::on_line(std::string_view line) {
  if (!line.starts_with(marker_)) {
    if (!line.empty()) last_noise_ = line;
    return Waiting{};
  }
  line.remove_prefix(marker_.size());
  const std::string_view word = line.substr(0, line.find(' '));
  const std::string_view text = line.substr(std::min(line.size(), word.size() + 1));
  if (word == "run") return Running{std::string(text), {}};
  if (word == "need") {
    std::string_view rest = text;
    const auto next = [&rest] {
      const std::string_view first = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), first.size() + 1));
      return first;
    };
    const std::string_view machine = next();
    const bool unpacks_xz = rest == "xz" || rest.starts_with("xz ");
    if (unpacks_xz) next();
    const std::string client(rest.substr(0, rest.find('%')));
    if (is_machine(machine) && (client.empty() || IpAddress::parse(client)))
      return NeedsBinary{machine_name(std::string(machine)), unpacks_xz, client};
  }
  if (word == "fetch-failed") return FetchFailed{reason(text)};
  if (word == "failed") return Failed{reason(text)};
  return Failed{fmt::format("its shell answered '{}'", printable(line))};
}

Failed BootstrapDialogue::on_end() const {
  const std::string& last = pending_.empty() ? last_noise_ : pending_;
  if (last.empty()) return Failed{"its login shell ended without an answer"};
  return Failed{
      fmt::format("its login shell ended without an answer but with: {}", printable(last))};
}

std::string BootstrapDialogue::with_definitions(const BootstrapBinary& binary,
                                                const std::string& command) {
  const bool again = std::exchange(defined_, true);
  return (again ? "" : install_definitions(binary)) + command + "\n";
}

std::string BootstrapDialogue::fetch(const BootstrapBinary& binary, const std::string& url,
                                     std::uint32_t seconds) {
  refuse_line_ends("a URL", url);
  return with_definitions(binary, fmt::format("get {} {}", shell_quote(url), seconds));
}

std::string BootstrapDialogue::take(const BootstrapBinary& binary, Packing packing,
                                    std::uint64_t bytes) {
  return with_definitions(binary,
                          fmt::format("take {}{}", bytes, packing == Packing::xz ? " xz" : ""));
}

}  // namespace murder::fleet
