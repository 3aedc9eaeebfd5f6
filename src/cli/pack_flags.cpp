#include "cli/pack_flags.hpp"

#include <fmt/format.h>
#include <stdexcept>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {

void PackFlags::add_to(CLI::App& command) {
  command.add_option("--tag", tag, "Name of the release (default: from its content)")
      ->type_name("TAG");
  command.add_option("--exclude", exclude, "Leave out what matches this pattern; may be repeated")
      ->type_name("PATTERN");
  command.add_flag("--include-vcs", include_vcs, "Keep .git and the like");
  command
      .add_option("--mtime", mtime,
                  "What every file's time is to be: source (as it is there) or seconds since 1970 "
                  "(default: derived from the content)")
      ->type_name("TIME");
  command
      .add_option("--piece-length", piece_length,
                  "Such as 1MiB, instead of the one that follows from the size")
      ->type_name("SIZE");
}

node::PackRequest PackFlags::request(Context& context) const {
  node::PackRequest request;
  if (tag && tag->empty())
    throw Error(ErrorKind::usage, "--tag: a tag is 1 to 128 of A-Z a-z 0-9 . _ -");
  request.tag = tag.value_or("");
  if (!piece_length.empty())
    request.piece_length_bytes = parse_bytes(piece_length, "--piece-length");
  request.options.exclude = exclude;
  request.options.include_vcs = include_vcs;
  request.options.warn = [&context](const std::string& message) {
    context.reporter->emit(events::Warning{message});
  };
  if (mtime == "source") {
    request.options.mtime_policy = MtimePolicy::source;
  } else if (!mtime.empty()) {
    request.options.mtime_policy = MtimePolicy::fixed;
    try {
      std::size_t end = 0;
      request.options.fixed_mtime = std::stoll(mtime, &end);
      if (end != mtime.size()) throw std::invalid_argument("");
    } catch (const std::logic_error&) {
      throw Error(ErrorKind::usage,
                  fmt::format("--mtime: '{}' is neither 'source' nor seconds since 1970",
                              printable(mtime)));
    }
  }
  return request;
}

}  // namespace murder::cli
