#include "node/swarms_page.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace murder::node {
namespace {

using Json = nlohmann::ordered_json;

Json to_object(const tracker::SwarmView& swarm) {
  Json slowest = Json::array();
  for (const tracker::SwarmView::Host& host : swarm.slowest)
    slowest.push_back({{"name", host.name},
                       {"endpoint", host.endpoint.to_string()},
                       {"left_bytes", host.left},
                       {"links", host.links},
                       {"complete", host.complete},
                       {"failed", host.failed},
                       {"silent_s", to_seconds(host.silent_for)}});
  return {{"info_hash", swarm.info_hash.hex()}, {"size_bytes", swarm.size_bytes},
          {"seeders", swarm.seeders},           {"hosts", swarm.hosts},
          {"complete", swarm.complete_hosts},   {"failed", swarm.failed_hosts},
          {"stock_peers", swarm.stock_peers},   {"swarm_complete", swarm.swarm_complete},
          {"slowest", std::move(slowest)}};
}

/// 0 for what is missing or no count.
std::uint64_t count(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}
std::uint32_t small_count(const Json& object, const char* name) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count(object, name), UINT32_MAX));
}

tracker::SwarmView to_view(const Json& object) {
  tracker::SwarmView swarm;
  swarm.info_hash =
      InfoHash::from_hex(object.at("info_hash").get<std::string>()).value_or(InfoHash{});
  swarm.size_bytes = count(object, "size_bytes");
  swarm.seeders = small_count(object, "seeders");
  swarm.hosts = small_count(object, "hosts");
  swarm.complete_hosts = small_count(object, "complete");
  swarm.failed_hosts = small_count(object, "failed");
  swarm.stock_peers = small_count(object, "stock_peers");
  swarm.swarm_complete = object.value("swarm_complete", false);
  for (const Json& entry : object.at("slowest")) {
    tracker::SwarmView::Host host;
    host.name = entry.at("name").get<std::string>();
    host.endpoint = Endpoint::parse(entry.value("endpoint", std::string())).value_or(Endpoint{});
    host.left = count(entry, "left_bytes");
    host.links = small_count(entry, "links");
    host.complete = entry.value("complete", false);
    host.failed = entry.value("failed", false);
    host.silent_for = from_seconds(std::clamp(entry.value("silent_s", 0.0), 0.0, 1e9));
    swarm.slowest.push_back(std::move(host));
  }
  return swarm;
}

}  // namespace

std::string swarms_page(const std::vector<tracker::SwarmView>& swarms) {
  Json list = Json::array();
  for (const tracker::SwarmView& swarm : swarms) list.push_back(to_object(swarm));
  const Json page = {{"schema", 1}, {"swarms", std::move(list)}};
  return page.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<tracker::SwarmView> parse_swarms_page(std::string_view json) {
  std::vector<tracker::SwarmView> swarms;
  try {
    const Json page = Json::parse(json);
    for (const Json& swarm : page.at("swarms")) swarms.push_back(to_view(swarm));
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::failed, fmt::format("this is no list of swarms, '{}': {}",
                                               printable(json, 80), printable(error.what())));
  }
  return swarms;
}

}  // namespace murder::node
