// murder pack SOURCE -o FILE.tar.zst, and murder pack FILE -o FILE.torrent.
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/pack_flags.hpp"
#include "cli/wording.hpp"
#include "node/torrent_maker.hpp"

namespace murder::cli {
namespace {

struct PackArguments {
  std::string source;
  std::string output;
  std::vector<std::string> trackers;
  std::vector<std::string> web_seeds;
  PackFlags flags;
};

void pack(const PackArguments& arguments, Context& context) {
  node::PackRequest request = arguments.flags.request(context);
  request.source = arguments.source;
  request.output = arguments.output;
  request.trackers = arguments.trackers;
  request.web_seeds = arguments.web_seeds;
  request.options.progress = [&](std::uint64_t done, std::uint64_t total) {
    context.reporter->show({LiveLine{packing_line(done, total)}});
  };
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
  command
      ->add_option("--tracker", arguments->trackers,
                   "Announce URL (http:// or udp://); may be repeated")
      ->type_name("URL");
  command
      ->add_option("--web-seed", arguments->web_seeds,
                   "http://… where the pack or file can be fetched with ranges, a folder when it "
                   "ends in /; may be repeated")
      ->type_name("URL");
  arguments->flags.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { pack(*arguments, context); };
  });
}

}  // namespace murder::cli
