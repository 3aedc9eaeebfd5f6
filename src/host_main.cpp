// murder as deploy puts it onto hosts: what a host does, and nothing of the control side.
#include "cli/app.hpp"

namespace {

void add_commands(CLI::App& app, murder::cli::Action& action) {
  using namespace murder::cli;
  add_tracker(app, action);
  add_seed(app, action);
  add_peer(app, action);
  add_stop(app, action);
  add_release_commands(app, action, nullptr);
  add_on_host(app, action);
}

}  // namespace

int main(int argc, char** argv) {
  const murder::cli::Program program{
      "the part that runs on hosts; deploy and all else is in the murder of the control machine",
      "  murder tracker --expect 16\n"
      "  murder seed v7.torrent --from v7.tar.zst\n"
      "  murder peer v7.torrent --to /srv/app --activate\n"
      "  murder releases --to /srv/app",
      add_commands};
  return murder::cli::run(program, argc, argv);
}
