// murder pack SOURCE -o FILE.tar.zst, and murder pack FILE -o FILE.torrent.
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/wording.hpp"
#include "node/torrent_maker.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

struct PackArguments {
  std::string source;
  std::string output;
  std::optional<std::string> tag;
  std::vector<std::string> trackers;
  std::vector<std::string> exclude;
  bool include_vcs = false;
  std::string mtime;
  std::string piece_length;
};

void pack(const PackArguments& arguments, Context& context) {
  node::PackRequest request;
  request.source = arguments.source;
  request.output = arguments.output;
  if (arguments.tag && arguments.tag->empty())
    throw Error(ErrorKind::usage, "--tag: a tag is 1 to 128 of A-Z a-z 0-9 . _ -");
  request.tag = arguments.tag.value_or("");
  request.trackers = arguments.trackers;
  if (!arguments.piece_length.empty())
    request.piece_length_bytes = parse_bytes(arguments.piece_length, "--piece-length");
  request.options.exclude = arguments.exclude;
  request.options.include_vcs = arguments.include_vcs;
  request.options.warn = [&](const std::string& message) {
    context.reporter->emit(events::Warning{message});
  };
  request.options.progress = [&](std::uint64_t done, std::uint64_t total) {
    context.reporter->show({LiveLine{packing_line(done, total)}});
  };
  if (arguments.mtime == "source") {
    request.options.mtime_policy = MtimePolicy::source;
  } else if (!arguments.mtime.empty()) {
    request.options.mtime_policy = MtimePolicy::fixed;
    try {
      std::size_t end = 0;
      request.options.fixed_mtime = std::stoll(arguments.mtime, &end);
      if (end != arguments.mtime.size()) throw std::invalid_argument("");
    } catch (const std::logic_error&) {
      throw Error(ErrorKind::usage,
                  fmt::format("--mtime: '{}' is neither 'source' nor seconds since 1970",
                              printable(arguments.mtime)));
    }
  }
  context.reporter->emit(node::make_release(request));
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PackArguments>();
  CLI::App* command = app.add_subcommand(
      "pack", "Make a pack and its torrent from a folder, or a torrent from a file");
  command->footer(
      "  murder pack build/ -o app-v7.tar.zst --tag v7 --tracker http://origin:8998/announce\n"
      "  murder pack disk.img -o disk.torrent --tracker http://origin:8998/announce");
  command->add_option("SOURCE", arguments->source, "A folder, or a file to be carried as it is")
      ->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "FILE.tar.zst (FILE.torrent is written beside it); of a file FILE.torrent")
      ->required()
      ->type_name("FILE");
  command->add_option("--tag", arguments->tag, "Name of the release (default: from its content)")
      ->type_name("TAG");
  command->add_option("--tracker", arguments->trackers, "Announce URL; may be repeated")
      ->type_name("URL");
  command
      ->add_option("--exclude", arguments->exclude,
                   "Leave out what matches this pattern; may be repeated")
      ->type_name("PATTERN");
  command->add_flag("--include-vcs", arguments->include_vcs, "Keep .git and the like");
  command
      ->add_option("--mtime", arguments->mtime,
                   "What every file's time is to be: source (as it is there) or seconds since 1970 "
                   "(default: derived from the content)")
      ->type_name("TIME");
  command
      ->add_option("--piece-length", arguments->piece_length,
                   "Such as 1MiB, instead of the one that follows from the size")
      ->type_name("SIZE");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { pack(*arguments, context); };
  });
}

}  // namespace murder::cli
