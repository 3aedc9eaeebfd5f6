// murder simulate.
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/configured_flags.hpp"
#include "cli/plot.hpp"
#include "cli/simulate_report.hpp"
#include "cli/simulate_scenario.hpp"

namespace murder::cli {
namespace {

/// Before a run that may take a minute: where its picture goes can be written to.
void check_plot(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorKind::usage,
                fmt::format("--plot: cannot write {}: {}; name a file in a folder "
                            "that can be written to",
                            printable(file.string()), reason));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) refuse("it is a folder");
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse(system_reason(errno));
  if (!std::filesystem::is_directory(folder, ignored))
    refuse(fmt::format("{} is no folder", printable(folder.string())));
}

void write_plot(const std::filesystem::path& file, const SimulateFigures& f) {
  DonePlot plot;
  plot.title = fmt::format("{} to {} hosts", format_bytes(f.options.size_bytes), f.options.hosts);
  plot.hosts = f.options.hosts;
  plot.limit_s = sim::limit_of(f.options).seconds;
  for (const auto& done : f.result.complete_s)
    if (done) plot.done_s.push_back(*done);
  write_file_atomically(file, svg_of(plot));
}

void fail_unless_complete(const SimulateFigures& f) {
  if (f.complete() == f.expected()) return;
  const std::string why =
      f.options.seeder_killed_after ? ": the seeder died before every piece was out" : "";
  throw Error(f.complete() == 0 ? ErrorKind::failed : ErrorKind::partial,
              fmt::format("{} of {} hosts would not get it{}", f.expected() - f.complete(),
                          f.expected(), why));
}

void simulate(const SimulateArguments& arguments, const std::string& plot, Context& context) {
  SimulateFigures figures;
  figures.options = scenario_of(arguments);
  if (!plot.empty()) check_plot(plot);
  context.reporter->say(fmt::format("simulating {} hosts", figures.options.hosts));
  const Instant begin = std::chrono::steady_clock::now();
  figures.result = sim::simulate(figures.options);
  context.log.info("{} events in {}", figures.result.events,
                   format_duration(std::chrono::steady_clock::now() - begin));
  if (!plot.empty()) write_plot(plot, figures);
  context.reporter->data(report_of(figures));
  context.reporter->emit(summary_of(figures));
  fail_unless_complete(figures);
}

void add_network(CLI::App& command, SimulateArguments& a) {
  command.add_option("--link", a.link, "What each host's link carries each way (default: 1Gbit)")
      ->type_name("RATE");
  command.add_option("--seeder-link", a.seeder_link, "What the seeder's carries, if another")
      ->type_name("RATE");
  command
      .add_option("--feed", a.feed,
                  "The seeder gets the release at that rate while it serves (default: has it)")
      ->type_name("RATE");
  command.add_option("--latency", a.latency, "Between two hosts, one way (default: 0.1ms)")
      ->type_name("DURATION");
  command
      .add_option("--efficiency", a.efficiency,
                  "What connections make of a link (default: 100%; 98% is usual)")
      ->type_name("SHARE");
  command
      .add_option("--racks", a.racks,
                  "The hosts stand in so many racks, the seeder in the first (default: 1)")
      ->type_name("COUNT");
  command
      .add_option("--rack-link", a.rack_link,
                  "What each rack's link carries each way, shared by its hosts")
      ->type_name("RATE");
}

void add_trouble(CLI::App& command, SimulateArguments& a) {
  command
      .add_option("--slow", a.slow,
                  "So many hosts have another link: 1:5Mbit, 33%:25Mbit; may be repeated")
      ->type_name("HOSTS:RATE");
  command
      .add_option("--late", a.late,
                  "So many hosts join then: 1:30s, 10%:50% (of the limit); may be repeated")
      ->type_name("HOSTS:TIME");
  command
      .add_option("--stop", a.stop,
                  "So many hosts fall silent then, their connections open; may be repeated")
      ->type_name("HOSTS:TIME");
  command
      .add_option("--churn", a.churn,
                  "So many hosts are killed, each at a random moment before the limit; with "
                  "HOSTS:DURATION each is started again so long after")
      ->type_name("HOSTS");
  command
      .add_option("--seeder-dies", a.seeder_dies, "The seeder is killed then: 8s, 90% of the limit")
      ->type_name("TIME");
}

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SimulateArguments>();
  auto plot = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("simulate", "Predict how long a release takes to a fleet of any size");
  command->footer(
      "  murder simulate --hosts 1000 --size 2GiB --link 10Gbit\n"
      "  murder simulate --hosts 200 --slow 33%:100Mbit --late 10:50% --plot done.svg\n"
      "  murder simulate --hosts 400 --racks 10 --rack-link 2Gbit --churn 5%:10s --seeder-dies "
      "20s");
  configured_by_its_command(
      *command->add_option("--hosts", arguments->hosts, "How many, 1 to 50000 (default: 16)")
           ->type_name("COUNT"));
  command->add_option("--size", arguments->size, "Of the release, packed (default: 1GiB)")
      ->type_name("SIZE");
  add_network(*command, *arguments);
  add_trouble(*command, *arguments);
  command
      ->add_option("--pieces", arguments->pieces,
                   "Cut into so many; fewer are faster to simulate (default: as pack cuts)")
      ->type_name("COUNT");
  command->add_option("--seed", arguments->seed, "Another number is another run (default: 1)")
      ->type_name("NUMBER");
  command->add_option("--plot", *plot, "Draw the hosts done over time")->type_name("FILE.svg");
  command->callback([arguments, plot, &action] {
    action = [arguments, plot](Context& context) { simulate(*arguments, *plot, context); };
  });
}

}  // namespace murder::cli
