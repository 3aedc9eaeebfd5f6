// murder copy.
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/fleet_session.hpp"
#include "cli/transfer_flags.hpp"
#include "cli/work_folder.hpp"
#include "fleet/copy.hpp"
#include "host/placement.hpp"
#include "node/torrent_maker.hpp"
#include "release/pack.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_name = 255;

struct CopyArguments {
  std::string source;
  std::string destination;
  std::vector<std::string> exclude;
  FleetFlags hosts;
  SshFlags ssh;
  TransferFlags transfer;
  bool replace = false;
  bool dry_run = false;
};

/// "web1,web[2-9]:2222:/srv/images/" is hosts and a path; "/srv/images/" a path alone.
struct Destination {
  std::string hosts;
  std::string path;
};

Destination split(const std::string& text) {
  if (text.starts_with('/')) return {{}, text};
  const std::size_t colon = text.find(":/");
  if (colon == std::string::npos)
    throw Error(ErrorKind::usage,
                fmt::format("cannot copy to '{}': after the hosts come ':' and the whole path of "
                            "it there, such as web1,web2:/srv/images/",
                            printable(text)));
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// What is meant by a link, so that it has a name and a parent of its own.
fs::path real_source(const std::string& text) {
  std::error_code ec;
  fs::path source = fs::canonical(text, ec);
  const fs::file_status status = fs::status(source, ec);
  if (text.empty() || !fs::exists(status))
    throw Error(ErrorKind::usage, fmt::format("no such file or folder: {}", printable(text)));
  if (!fs::is_directory(status) && !fs::is_regular_file(status))
    throw Error(ErrorKind::usage,
                fmt::format("cannot copy {}: neither a file nor a folder", printable(text)));
  return source;
}

/// The name that the user gave it, be it a link's.
std::string name_of(const std::string& text, const fs::path& source) {
  fs::path given = fs::path(text).lexically_normal();
  if (!given.has_filename()) given = given.parent_path();
  const std::string name = given.filename().native();
  return name.empty() || name == "." || name == ".." ? source.filename().native() : name;
}

std::string target_of(const std::string& path, const std::string& name) {
  const bool into = path.ends_with('/');
  const fs::path target = (into ? fs::path(path) / name : fs::path(path)).lexically_normal();
  if (!fleet::is_destination(target.native()) || !target.has_filename())
    throw Error(ErrorKind::usage,
                fmt::format("cannot copy to '{}': name the file or folder that it is to be on the "
                            "hosts, or with a '/' at the end the folder to put it in",
                            printable(path)));
  if (fs::path(fleet::staging_folder_of(target.native())).filename().native().size() > longest_name)
    throw Error(ErrorKind::usage,
                fmt::format("cannot copy to '{}': its name is too long for the folder that it is "
                            "staged in beside it",
                            printable(target.native())));
  return target.native();
}

std::uint32_t mode_of(const fs::path& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) throw_system_error("cannot read", path.native(), errno);
  return st.st_mode & 0777;
}

fleet::CopySource pack(const CopyArguments& arguments, const fs::path& source,
                       const fs::path& folder) {
  fleet::CopySource result;
  const bool is_file = fs::is_regular_file(source);
  node::PackRequest request;
  request.source = is_file ? source.parent_path() : source;
  request.output = folder / "copy.tar.zst";
  request.options.include_vcs = true;
  request.options.mtime_policy = MtimePolicy::source;
  request.options.warn = [&](const std::string& warning) { result.warnings.push_back(warning); };
  if (is_file)
    request.options.only = source.filename().native();
  else
    request.options.exclude = arguments.exclude;
  const events::Packed packed = node::make_release(request);
  result.packed = {packed.path, packed.torrent};

  Manifest manifest = read_pack(packed.path).manifest;
  if (is_file) manifest.entries.front().path = placed_file_name;
  result.placement.file = is_file;
  result.placement.content = manifest.content_digest().hex();
  result.placement.bytes = packed.source_bytes;
  result.placement.mode = is_file ? 0 : mode_of(source);
  result.placement.owner = arguments.transfer.owner;
  result.placement.replace = arguments.replace;
  return result;
}

void copy(CopyArguments arguments, Context& context) {
  const fs::path source = real_source(arguments.source);
  if (fs::is_regular_file(source) && !arguments.exclude.empty())
    throw Error(ErrorKind::usage,
                fmt::format("--exclude leaves out parts of a folder, and {} is a file",
                            printable(arguments.source)));
  const Destination destination = split(arguments.destination);
  if (!destination.hosts.empty()) arguments.hosts.hosts.push_back(destination.hosts);
  if (!arguments.hosts.given())
    throw Error(ErrorKind::usage,
                fmt::format("no host is named: put them before the path, such as web1,web2:{}, or "
                            "give --hosts FILE with one a line (- is standard input)",
                            printable(destination.path)));
  const WorkFolder work;
  fleet::CopyOptions options;
  options.pack = [&] { return pack(arguments, source, work.path()); };
  options.target = target_of(destination.path, name_of(arguments.source, source));
  options.origin = arguments.transfer.origin();
  options.staging = arguments.transfer.staging();
  options.dry_run = arguments.dry_run;
  FleetCommand command;
  command.name = "copy";
  command.ports = swarm_port_range(arguments.transfer.ports);
  command.dest = options.target;
  command.source = arguments.source;
  command.goal = arguments.dry_run ? fleet::Goal::answered : fleet::Goal::placed;
  run_on_fleet(
      command, arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::Copy>(fleet, options); }, context);
}

}  // namespace

void add_copy(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CopyArguments>();
  CLI::App* command =
      app.add_subcommand("copy", "Get one file or folder to one place on every host, verified");
  command->footer(
      "  murder copy model.bin 'web[01-16]:/srv/models/'          /srv/models/model.bin\n"
      "  murder copy model.bin web1,deploy@web2:2222:/srv/m.bin   /srv/m.bin\n"
      "  murder copy site/ /srv/www --hosts fleet.txt --replace   the tree /srv/www");
  command->add_option("SOURCE", arguments->source, "A file or folder")->required();
  command
      ->add_option("DEST", arguments->destination,
                   "HOSTS:PATH or, with --hosts, PATH: what it is to be there, with its whole "
                   "path; with a '/' at the end the folder to put it in")
      ->required();
  arguments->hosts.add_to(*command);
  command->add_flag("--replace", arguments->replace,
                    "In place of a folder or symlink that is there (a file takes a file's place "
                    "without)");
  command
      ->add_option("--exclude", arguments->exclude,
                   "Leave out what matches this pattern; may be repeated")
      ->type_name("PATTERN");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Reach every host and say what would happen there");
  arguments->transfer.add_to(*command);
  arguments->ssh.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { copy(*arguments, context); };
  });
}

}  // namespace murder::cli
