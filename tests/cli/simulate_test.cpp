// What `murder simulate` takes, what it refuses, and what it says.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "cli/plot.hpp"
#include "cli/simulate_report.hpp"
#include "cli/simulate_scenario.hpp"

namespace murder::cli {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

SimulateArguments arguments() {
  SimulateArguments a;
  a.hosts = 20;
  a.size = "64MiB";
  a.link = "100Mbit";
  return a;
}

/// How many hosts' plans `holds` of.
template <class Holds>
long count(const sim::SimulationOptions& options, Holds&& holds) {
  return std::count_if(options.plans.begin(), options.plans.end(), holds);
}

template <class Change>
std::string refusal(Change&& change) {
  SimulateArguments a = arguments();
  change(a);
  try {
    scenario_of(a);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return {};
}

void expect_in(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words)
    EXPECT_NE(text.find(word), std::string::npos) << word << ": " << text;
}

TEST(SimulateScenario, links_pieces_and_latency_are_as_asked_for) {
  SimulateArguments a = arguments();
  a.seeder_link = "1Gbit";
  a.latency = "5ms";
  a.efficiency = "98%";
  a.pieces = 512;
  a.seed = 7;
  const auto options = scenario_of(a);
  EXPECT_EQ(options.hosts, 20u);
  EXPECT_EQ(options.up, Rate{12.5e6});
  EXPECT_EQ(options.down, Rate{12.5e6});
  EXPECT_EQ(options.seeder_up, Rate{125e6});
  EXPECT_EQ(options.latency, Duration(5ms));
  EXPECT_DOUBLE_EQ(options.efficiency, 0.98);
  EXPECT_EQ(options.piece_length, 128_KiB);
  EXPECT_EQ(options.block_length, options.piece_length);
  EXPECT_EQ(options.seed, 7u);
  EXPECT_EQ(scenario_of(arguments()).piece_length, 32_KiB);
}

TEST(SimulateScenario, a_share_or_a_number_of_hosts_is_slow) {
  SimulateArguments a = arguments();
  a.slow = {"25%:25Mbit", "2:5Mbit"};
  const auto options = scenario_of(a);
  EXPECT_EQ(count(options, [](const auto& p) { return p.up == Rate{3.125e6}; }), 5);
  EXPECT_EQ(count(options, [](const auto& p) { return p.down == Rate{0.625e6}; }), 2);
  a.seed = 2;
  const auto other = scenario_of(a);
  bool same = true;
  for (std::size_t i = 0; i < 20; ++i) same &= options.plans[i].up == other.plans[i].up;
  EXPECT_FALSE(same);
}

TEST(SimulateScenario, late_and_stopped_hosts_and_the_seeder_have_their_moment) {
  SimulateArguments a = arguments();
  a.late = {"3:30s"};
  a.stop = {"10%:50%"};
  a.seeder_dies = "90%";
  const auto options = scenario_of(a);
  const double limit = 64.0 * 1024 * 1024 * sim::wire_overhead / 12.5e6;
  EXPECT_EQ(count(options, [](const auto& p) { return p.joins_after == Duration(30s); }), 3);
  EXPECT_EQ(count(options,
                  [&](const auto& p) {
                    return p.frozen_after &&
                           std::abs(to_seconds(*p.frozen_after) - limit / 2) < 1e-6;
                  }),
            2);
  EXPECT_NEAR(to_seconds(*options.seeder_killed_after), 0.9 * limit, 1e-6);
  EXPECT_EQ(options.expect, 18u);
}

TEST(SimulateScenario, churn_kills_for_good_or_for_a_while) {
  SimulateArguments a = arguments();
  a.churn = "50%";
  auto options = scenario_of(a);
  const auto killed = [](const auto& p) { return p.killed_after.has_value(); };
  EXPECT_EQ(count(options, killed), 10);
  EXPECT_EQ(options.expect, 10u);
  std::set<Duration> moments;
  for (const auto& plan : options.plans)
    if (plan.killed_after) moments.insert(*plan.killed_after);
  EXPECT_EQ(moments.size(), 10u);
  a.churn = "4:5s";
  options = scenario_of(a);
  EXPECT_EQ(count(options, killed), 4);
  EXPECT_EQ(count(options,
                  [](const auto& p) {
                    return p.back_after && *p.back_after - *p.killed_after == Duration(5s);
                  }),
            4);
  EXPECT_EQ(options.expect, 20u);
}

TEST(SimulateScenario, racks_and_their_link_come_together) {
  SimulateArguments a = arguments();
  a.racks = 4;
  a.rack_link = "50Mbit";
  EXPECT_EQ(scenario_of(a).racks, 4u);
  EXPECT_EQ(scenario_of(a).rack_link, Rate{6.25e6});
  expect_in(refusal([](auto& x) { x.racks = 2; }), {"--racks", "--rack-link"});
  expect_in(refusal([](auto& x) { x.rack_link = "1Gbit"; }), {"--rack-link", "--racks"});
  expect_in(refusal([](auto& x) { x.racks = 21; }), {"--racks", "21", "20"});
}

TEST(SimulateScenario, what_cannot_be_simulated_is_refused_with_a_way_out) {
  for (const long long hosts : {0LL, -3LL, 50'001LL})
    expect_in(refusal([&](auto& a) { a.hosts = hosts; }), {"--hosts", "1 to 50000"});
  expect_in(refusal([](auto& a) { a.size = "0"; }), {"--size"});
  expect_in(refusal([](auto& a) { a.size = "-1GiB"; }), {"--size", "-1GiB", "8MiB"});
  expect_in(refusal([](auto& a) { a.size = "1000TiB"; }), {"--size", "65536"});
  expect_in(refusal([](auto& a) { a.link = "0Mbit"; }), {"--link", "50Mbit"});
  expect_in(refusal([](auto& a) { a.link = "1bit"; }), {"--link", "less than"});
  expect_in(refusal([](auto& a) { a.seeder_link = "fast"; }), {"--seeder-link", "fast"});
  expect_in(refusal([](auto& a) { a.latency = "1h"; }), {"--latency"});
  for (const char* share : {"0%", "9%", "101%", "0.98", "", "-5%", "nan%"})
    expect_in(refusal([&](auto& a) { a.efficiency = share; }), {"--efficiency"});
  expect_in(refusal([](auto& a) { a.pieces = -1; }), {"--pieces", "-1"});
  expect_in(refusal([](auto& a) { a.size = "64GiB", a.pieces = 16; }),
            {"--pieces", "16384 or more"});
  expect_in(refusal([](auto& a) { a.size = "100", a.pieces = 101; }), {"--pieces", "101"});
  expect_in(refusal([](auto& a) { a.hosts = 50'000, a.size = "64GiB"; }), {"--pieces 2000"});
}

TEST(SimulateScenario, hosts_and_moments_that_make_no_sense_are_refused) {
  expect_in(refusal([](auto& a) { a.slow = {"3"}; }), {"--slow", "33%:25Mbit"});
  expect_in(refusal([](auto& a) { a.slow = {"0:1Mbit"}; }), {"--slow", "'0'"});
  expect_in(refusal([](auto& a) { a.slow = {"21:1Mbit"}; }), {"--slow", "1 to 20"});
  expect_in(refusal([](auto& a) { a.slow = {"120%:1Mbit"}; }), {"--slow", "100%"});
  expect_in(refusal([](auto& a) { a.late = {"1:soon"}; }), {"--late", "soon"});
  expect_in(refusal([](auto& a) { a.late = {"1"}; }), {"--late", "1:50%"});
  expect_in(refusal([](auto& a) { a.stop = {"x:1s"}; }), {"--stop", "'x'"});
  expect_in(refusal([](auto& a) { a.churn = "10%:never"; }), {"--churn", "never"});
  expect_in(refusal([](auto& a) { a.churn = "20"; }), {"--churn", "lives"});
  expect_in(refusal([](auto& a) { a.seeder_dies = "-1s"; }), {"--seeder-dies", "-1s"});
  expect_in(refusal([](auto& a) { a.slow = {"15:1Mbit"}, a.late = {"6:1s"}; }), {"--late", "5"});
}

SimulateFigures figures(const SimulateArguments& a) {
  SimulateFigures f;
  f.options = scenario_of(a);
  f.result = sim::simulate(f.options);
  return f;
}

json summary(const SimulateFigures& f) { return json::parse(to_json_line(summary_of(f), 1.5)); }

TEST(SimulateReport, the_summary_has_the_figures_in_order) {
  const json s = summary(figures(arguments()));
  EXPECT_EQ(s.at("event"), "summary");
  EXPECT_EQ(s.at("command"), "simulate");
  EXPECT_EQ(s.at("complete"), 20);
  EXPECT_LE(s.at("first_seconds"), s.at("median_seconds"));
  EXPECT_LE(s.at("median_seconds"), s.at("p99_seconds"));
  EXPECT_LE(s.at("p99_seconds"), s.at("last_seconds"));
  EXPECT_NEAR(s.at("last_ratio").get<double>(),
              s.at("last_seconds").get<double>() / s.at("limit_seconds").get<double>(), 1e-6);
  EXPECT_GE(s.at("last_ratio"), 1.0);
  EXPECT_LT(s.at("last_ratio"), 1.2);
  EXPECT_EQ(s.at("limit_set_by"), "seeder_link");
  EXPECT_GE(s.at("seeder_copies"), 1.0);
  EXPECT_GE(s.at("announces"), 40);
  EXPECT_TRUE(s.at("plain_hosts_last_seconds").is_null());
  EXPECT_NEAR(s.at("one_server_seconds").get<double>(), 20 * s.at("limit_seconds").get<double>(),
              1e-3);
}

TEST(SimulateReport, same_seed_same_words_and_other_seed_others) {
  SimulateArguments a = arguments();
  const std::string first = report_of(figures(a));
  EXPECT_EQ(report_of(figures(a)), first);
  const auto fingerprint = summary(figures(a)).at("fingerprint");
  a.seed = 2;
  EXPECT_NE(summary(figures(a)).at("fingerprint"), fingerprint);
}

TEST(SimulateReport, hosts_that_nothing_hindered_are_told_apart_from_slow_ones) {
  SimulateArguments a = arguments();
  a.slow = {"1:10Mbit"};
  const SimulateFigures f = figures(a);
  const json s = summary(f);
  EXPECT_EQ(s.at("limit_set_by"), "host_link");
  EXPECT_LT(s.at("plain_hosts_last_ratio"), 1.3);
  EXPECT_LT(s.at("plain_hosts_last_seconds"), 0.3 * s.at("last_seconds").get<double>());
  expect_in(report_of(f), {"last unhindered", "slowest or latest host"});
}

TEST(SimulateReport, there_is_no_ratio_when_hosts_never_get_it) {
  SimulateArguments a = arguments();
  a.seeder_dies = "10%";
  const SimulateFigures f = figures(a);
  EXPECT_FALSE(f.last_ratio());
  EXPECT_TRUE(summary(f).at("last_ratio").is_null());
  expect_in(report_of(f), {"hosts complete     0 of 20"});
}

TEST(Plot, has_axes_with_units_a_curve_and_the_limit) {
  const std::string svg = svg_of({"1 GB to <4> hosts", {4, 1, 2, 3}, 4, 2.5});
  expect_in(svg, {"<svg xmlns=", "time since the start (seconds)", "hosts done", "<polyline",
                  "limit 2.5 s", "1 GB to &lt;4&gt; hosts", "</svg>"});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(Plot, of_no_host_done_is_a_picture_all_the_same) {
  const std::string svg = svg_of({"nothing", {}, 10, 0});
  expect_in(svg, {"</svg>"});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

}  // namespace
}  // namespace murder::cli
