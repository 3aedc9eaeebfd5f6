#include "cli/fleet_session.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "cli/fleet_view.hpp"
#include "fleet/deploy_id.hpp"
#include "fleet/record.hpp"
#include "fleet/record_file.hpp"

namespace murder::cli {
namespace {

/// "alice@laptop", for those whom a lock keeps out.
std::string who_am_i() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const passwd* const user = ::getpwuid(::geteuid());
  return fmt::format("{}@{}", user != nullptr ? user->pw_name : std::to_string(::geteuid()), host);
}

/// Three pipes a host.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void write_report(const std::string& path, const fleet::FleetReport& report, Context& context) {
  if (path.empty()) return;
  try {
    write_file_atomically(path, fleet::to_json(report));
  } catch (const Error& error) {
    // What happened on the hosts counts; it is said on the terminal too.
    context.reporter->emit(events::Warning{fmt::format("--report: {}", error.what())});
  }
}

/// The local record; without one where it cannot be: that never keeps anybody from deploying.
fleet::Record open_record(Context& context) {
  const auto warn = [&context](const std::string& message) {
    context.reporter->emit(events::Warning{message});
  };
  try {
    fleet::RecordOptions options;
    options.path = fleet::record_path([](const char* name) { return std::getenv(name); });
    return fleet::Record::open(std::move(options), warn);
  } catch (const Error& error) {
    warn(fmt::format("this deploy is not recorded: {}", error.what()));
    return fleet::Record::none();
  }
}

[[noreturn]] void throw_outcome(const fleet::FleetReport& report, int status) {
  throw Error(static_cast<ErrorKind>(status),
              report.error ? report.problem : fleet::outcome_line(report));
}

}  // namespace

fleet::FleetReport run_on_fleet(const FleetCommand& command, const FleetFlags& hosts,
                                const SshFlags& ssh, const fleet::MakeWork& make_work,
                                Context& context, const std::function<void()>& before_summary) {
  raise_descriptor_limit();
  Random random = Random::from_system();
  fleet::FleetOptions options;
  options.hosts = hosts.selected();
  options.ssh = ssh.options();
  options.reconnect = ssh.reconnect_time();
  options.dest = command.dest;
  options.ports = command.ports;
  options.command = command.name;
  options.deploy = fleet::new_deploy_id(std::chrono::system_clock::now(), random);
  options.nonce = fmt::format("{:016x}", random.next());
  options.who = who_am_i();

  fleet::Record record = open_record(context);
  FleetView view(*context.reporter, record, options.deploy, context.verbose > 0);
  context.reporter->emit(events::DeployStarted{options.deploy, command.name, command.tag,
                                               command.dest,
                                               static_cast<std::uint32_t>(options.hosts.size())});
  bool begun = false;
  const fleet::RunHooks hooks{
      .tick =
          [&](fleet::Fleet& fleet) {
            if (!std::exchange(begun, true)) record.begin(fleet.snapshot());
            view.show(fleet);
          },
      .say = [&](const std::string& words) { context.reporter->say(words); }};
  const fleet::MakeWork with_goal = [&](fleet::Fleet& fleet) {
    fleet.report().goal = command.goal;
    fleet.report().source = command.source;
    fleet.report().tag = command.tag;
    return make_work(fleet);
  };
  fleet::FleetReport report = fleet::run_fleet(options, view, with_goal, hooks);
  const int status = fleet::exit_status(report);
  record.finish(report, status);
  write_report(ssh.report, report, context);
  context.reporter->settle();
  if (before_summary) before_summary();
  for (const fleet::HostReport& host : report.hosts)
    context.reporter->emit(fleet::to_event(host, report.goal));
  context.reporter->emit(fleet::summary_event(report));
  context.reporter->data(fleet::summary_text(report));
  if (status != 0) throw_outcome(report, status);
  return report;
}

}  // namespace murder::cli
