// murder: every command.
#include "cli/app.hpp"
#include "cli/fleet_release.hpp"
#include "tls/tls.hpp"

namespace {

void add_commands(CLI::App& app, murder::cli::Action& action) {
  using namespace murder::cli;
  add_pack(app, action);
  add_tracker(app, action);
  add_seed(app, action);
  add_peer(app, action);
  add_stop(app, action);
  add_deploy(app, action);
  add_copy(app, action);
  add_doctor(app, action);
  add_release_commands(app, action, &releases_of_a_fleet);
  add_on_host(app, action);
  add_record_commands(app, action);
  add_demo(app, action);
  add_simulate(app, action);
  add_hosts(app, action);
  add_manual(app, action);
}

}  // namespace

int main(int argc, char** argv) {
  murder::tls::install();
  const murder::cli::Program program{
      "gets a release onto every server at once",
      "  murder demo                                          see it work, on this machine\n"
      "  murder pack build/ -o v7.tar.zst --tracker http://origin:8998/announce\n"
      "  murder tracker --expect 16                           on origin\n"
      "  murder seed v7.torrent --from v7.tar.zst             on origin\n"
      "  murder peer v7.torrent --to /srv/app --activate      on each of 16 hosts",
      add_commands};
  return murder::cli::run(program, argc, argv);
}
