#include "lab/batch.hpp"

#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "lab/spawner.hpp"

namespace murder::lab {
namespace {

UniqueFd memory_file(const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) throw_system_error("cannot make", "a file in memory", errno);
  return fd;
}

std::string_view line_at(std::string_view text, std::size_t number) {
  for (; number > 1; --number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

/// The command that a batch stopped at, from its last line "Command failed -:LINE".
std::string_view refused_command(std::string_view output, std::string_view lines) {
  constexpr std::string_view mark = "Command failed -:";
  const std::size_t at = output.rfind(mark);
  if (at == std::string_view::npos) return "-batch";
  const std::string_view number_text = output.substr(at + mark.size());
  std::size_t number = 0;
  std::from_chars(number_text.data(), number_text.data() + number_text.size(), number);
  return number > 0 ? line_at(lines, number) : "-batch";
}

}  // namespace

Batch::Batch(Spawner& spawner, const std::string& tool, int network_namespace_fd, std::string lines)
    : tool_(tool), lines_(std::move(lines)), output_(memory_file("batch-output")) {
  const UniqueFd input = memory_file("batch");
  write_exactly_at(input.get(), as_bytes(lines_), 0, "batch");
  process_ = Process(spawner.spawn({.argv = {tool_, "-batch", "-"},
                                    .network_namespace_fd = network_namespace_fd,
                                    .stdin_fd = input.get(),
                                    .stdout_fd = output_.get(),
                                    .stderr_fd = output_.get()}));
}

void Batch::finish() {
  if (process_.wait() == 0) return;
  std::string output(file_size(output_.get(), "batch-output"), '\0');
  read_exactly_at(output_.get(), {reinterpret_cast<std::uint8_t*>(output.data()), output.size()}, 0,
                  "batch-output");
  const std::string_view command = refused_command(output, lines_);
  const std::string_view reason = line_at(output, 1);
  throw Error(ErrorKind::failed,
              fmt::format("'{} {}' was refused: {}", tool_, command,
                          reason.empty() ? "it did not say why" : printable(reason)));
}

}  // namespace murder::lab
