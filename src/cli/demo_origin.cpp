#include "cli/demo_origin.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"

namespace murder::cli {
namespace {

using Json = nlohmann::json;

const std::string own_program = "/proc/self/exe";
constexpr Duration patience = std::chrono::minutes(1);
constexpr int tracker_port = 8998;

/// An event's line as an object; an empty object for anything else.
Json parsed(std::string_view line) {
  Json event = Json::parse(line, nullptr, false);
  return event.is_object() ? event : Json::object();
}

}  // namespace

void DemoOrigin::start(FleetWatch& watch, lab::Lab& lab, const events::Packed& packed,
                       std::size_t hosts) {
  const auto wait_for = [&](const std::string& what, const std::function<bool()>& done) {
    const bool came = watch.wait_until(
        [&] {
          throw_if_ended();
          return done();
        },
        {}, patience);
    if (!came) throw Error(ErrorKind::failed, fmt::format("the {} does not start", what));
  };
  // Loopback is everybody's: there another program may have that port.
  const std::string listen =
      fmt::format("{}:{}", lab.address(0).to_string(), lab.has_shaped_links() ? tracker_port : 0);
  watch.start(
      0,
      {own_program, "tracker", "--listen", listen, "--expect", fmt::format("{}", hosts), "--json",
       "--no-config"},
      [this](std::string_view line) { on_tracker_line(line); }, ended("tracker"));
  wait_for("tracker", [&] { return !tracker_url_.empty(); });

  std::vector<std::string> seed = taking_part("seed", lab, 0, "origin");
  seed.insert(seed.end(), {packed.torrent, "--from", packed.path});
  watch.start(
      0, seed, [this](std::string_view line) { on_seeder_line(line); }, ended("seeder"));
  // Its first report comes when it starts to announce itself, the second half a second later.
  wait_for("seeder", [&] { return seeder_reports_ >= 2; });
}

std::vector<std::string> DemoOrigin::taking_part(const std::string& command, const lab::Lab& lab,
                                                 std::size_t host, const std::string& name) const {
  return {
      own_program, command,      "--json", "--no-config", "--listen", lab.address(host).to_string(),
      "--tracker", tracker_url_, "--name", name};
}

void DemoOrigin::on_tracker_line(std::string_view line) {
  const Json event = parsed(line);
  const std::string name = event.value("event", "");
  if (name == "listening")
    tracker_url_ = fmt::format("http://{}/announce", event.value("endpoint", ""));
  if (name == "error") error_ = event.value("message", "");
}

void DemoOrigin::on_seeder_line(std::string_view line) {
  const Json event = parsed(line);
  const std::string name = event.value("event", "");
  if (name == "error") error_ = event.value("message", "");
  if (name != "progress") return;
  ++seeder_reports_;
  const double t = event.value("t", 0.0);
  if (last_report_at_)
    seeder_sent_bytes_ += event.value("up_bytes_per_s", 0.0) * (t - *last_report_at_);
  last_report_at_ = t;
}

FleetWatch::OnEnd DemoOrigin::ended(const std::string& who) {
  return [this, who](int status, const std::string& last_words) {
    if (ended_) return;
    const std::string& reason = error_.empty() ? last_words : error_;
    ended_ = fmt::format("the {} ended with status {}{}{}", who, status, reason.empty() ? "" : ": ",
                         printable(reason, 500));
  };
}

void DemoOrigin::throw_if_ended() const {
  if (ended_) throw Error(ErrorKind::failed, *ended_);
}

}  // namespace murder::cli
