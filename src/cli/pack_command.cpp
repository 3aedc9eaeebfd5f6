// murder pack SOURCE -o FILE.tar.zst, and murder pack FILE -o FILE.torrent.
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "node/torrent_maker.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

struct PackArguments {
  std::string source;
  std::string output;
  std::string tag;
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
  request.tag = arguments.tag;
  request.trackers = arguments.trackers;
  if (!arguments.piece_length.empty())
    request.piece_length_bytes = parse_bytes(arguments.piece_length, "--piece-length");
  request.options.exclude = arguments.exclude;
  request.options.include_vcs = arguments.include_vcs;
  request.options.warn = [&](const std::string& message) {
    context.log.warning("{}", message);
    if (context.json) context.events->emit(events::Warning{message});
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
  context.events->emit(node::make_release(request));
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PackArguments>();
  CLI::App* command = app.add_subcommand(
      "pack", "Make a pack and its torrent from a folder, or a torrent from a file");
  command->footer(
      "Examples:\n"
      "  murder pack build/ -o app-v7.tar.zst --tag v7 --tracker http://origin:8998/announce\n"
      "  murder pack disk.img -o disk.torrent --tracker http://origin:8998/announce");
  command->add_option("SOURCE", arguments->source, "Folder or file")->required();
  command
      ->add_option("-o,--output", arguments->output,
                   "FILE.tar.zst (FILE.torrent is written beside it); for a file FILE.torrent")
      ->required();
  command->add_option("--tag", arguments->tag, "Name of the release; default: from its content");
  command->add_option("--tracker", arguments->trackers, "Announce URL; may be repeated");
  command->add_option("--exclude", arguments->exclude,
                      "Leave out what matches this pattern; may be repeated");
  command->add_flag("--include-vcs", arguments->include_vcs, "Keep .git and the like");
  command->add_option("--mtime", arguments->mtime,
                      "'source', or seconds since 1970; default: one derived from the content");
  command->add_option("--piece-length", arguments->piece_length,
                      "Instead of the one that follows from the size");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { pack(*arguments, context); };
  });
}

}  // namespace murder::cli
