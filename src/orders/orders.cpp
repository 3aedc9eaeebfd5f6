#include "orders/orders.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace murder::orders {

using Json = nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Hello, protocol, version, machine, host_name, user,
                                                address, client, clock_ms, descriptors)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Placement, target, file, content, bytes, mode,
                                                owner, replace)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Look, dest, tag, info_hash, placement)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Tracker, deploy, address, expect, idle_s,
                                                with_session, ports)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Publish, deploy, file)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Seed, torrent, payload, trackers, host, address, up,
                                                ports)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Stage, dest, tag, info_hash, torrent_url, trackers,
                                                host, address, seeder, serve, owner, up, down,
                                                timeout_s, linger_s, ports)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Lock, dest, deploy, host, who, lease_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Unlock, dest)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Hook, command, timeout_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Activate, dest, tag, host, deploy, link_shared,
                                                before, after, again)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Check, dest, host, deploy, command, url, timeout_s,
                                                tries, interval_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Rollback, dest, tag, host, deploy, after, again)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Place, dest, tag, placement)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ListReleases, dest)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Verify, dest, tag)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Prune, dest, keep)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Examine, dest)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Listen, address, ports)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Probe, endpoints, timeout_ms)

static void to_json(Json& json, const Done& /*done*/) { json = Json::object(); }
static void from_json(const Json& /*json*/, Done& /*done*/) {}
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(View, used, live, previous, staged, other_bytes,
                                                fetching, free_bytes, locked_by, unfinished, place,
                                                in_place, in_the_way)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TrackerRuns, announce_url, files_url)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Staged, seconds, fetched_bytes, resumed_bytes,
                                                already)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Locked, ok, held_by, leaving, live)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HookOutcome, ran, status, timed_out, seconds,
                                                output, output_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Activated, tag, previous, switched, before, after,
                                                problem)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Checked, well, tries, seconds, reason, output)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Placed, replaced, left)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ReleaseInfo, tag, live, partial, staged_at)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Releases, releases, previous)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DriftInfo, kind, path, detail)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Verified, tag, drifts, drift_count)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Pruned, removed, freed_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Examined, dest_problem, filesystem, free_bytes,
                                                free_inodes, descriptors, memory_bytes, processors,
                                                kernel, system, fetchers, binary_path, noexec,
                                                file_bytes, live, live_bytes, live_entries)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Listening, endpoints)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Probed::Result, endpoint, ok, milliseconds, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Probed, results)

namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse_object(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    throw Error(ErrorKind::failed, fmt::format("not an object of JSON: {}", printable(text, 80)));
  return json;
}

/// Wrong types in known fields are nlohmann's exceptions; they become ours here.
template <class T>
T convert(const Json& json) {
  try {
    T value;
    from_json(json, value);
    return value;
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::failed, fmt::format("cannot be read: {}", error.what()));
  }
}

template <std::size_t I = 0>
Order order_named(std::string_view name, const Json& json) {
  if constexpr (I == std::variant_size_v<Order>) {
    throw Error(ErrorKind::failed,
                fmt::format("order \"{}\" is not known here; the two ends are of different "
                            "versions of murder",
                            printable(name)));
  } else {
    using O = std::variant_alternative_t<I, Order>;
    if (name == O::name) return convert<O>(json);
    return order_named<I + 1>(name, json);
  }
}

std::uint64_t number(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

}  // namespace

std::string encode_hello(const Hello& hello) { return dump({{"hello", hello}}); }

Hello parse_hello(std::string_view text) {
  const Json json = parse_object(text);
  const auto it = json.find("hello");
  if (it == json.end() || !it->is_object())
    throw Error(ErrorKind::failed, "the host did not say hello");
  Hello hello = convert<Hello>(*it);
  if (hello.protocol != protocol)
    throw Error(ErrorKind::failed,
                fmt::format("murder {} on the host speaks protocol {} and this one, {}, speaks {}",
                            printable(hello.version), hello.protocol, MURDER_VERSION, protocol));
  return hello;
}

template <class O>
std::string encode_order(std::uint64_t id, const O& order) {
  Json json = order;
  json["id"] = id;
  json["order"] = O::name;
  return dump(json);
}

ReceivedOrder parse_order(std::string_view text) {
  const Json json = parse_object(text);
  const auto name = json.find("order");
  if (name == json.end() || !name->is_string())
    throw Error(ErrorKind::failed, fmt::format("not an order: {}", printable(text, 80)));
  return {number(json, "id"), order_named(name->get_ref<const std::string&>(), json)};
}

bool OrderHead::for_transfer() const {
  return id == 0 && (name == "pieces" || name == "have" || name == "trackers" || name == "finish" ||
                     name == "stop");
}

OrderHead peek_order(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return {};
  const auto name = json.find("order");
  return {number(json, "id"),
          name != json.end() && name->is_string() ? name->get<std::string>() : ""};
}

template <class A>
std::string encode_answer(std::uint64_t id, const A& answer) {
  Json json = answer;
  json["re"] = id;
  return dump(json);
}

std::string encode_error(std::uint64_t id, ErrorKind kind, std::string_view message) {
  return dump({{"re", id}, {"error", {{"status", static_cast<int>(kind)}, {"message", message}}}});
}

std::uint64_t answered_id(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object() ? number(json, "re") : 0;
}

template <class A>
A parse_answer(std::string_view text) {
  const Json json = parse_object(text);
  const auto error = json.find("error");
  if (error != json.end() && error->is_object()) {
    const auto message = error->find("message");
    const std::uint64_t status = number(*error, "status");
    ErrorKind kind = ErrorKind::failed;
    for (const ErrorKind known :
         {ErrorKind::usage, ErrorKind::partial, ErrorKind::unreachable, ErrorKind::integrity,
          ErrorKind::interrupted, ErrorKind::terminated})
      if (status == static_cast<std::uint64_t>(known)) kind = known;
    throw Error(kind, message != error->end() && message->is_string() ? message->get<std::string>()
                                                                      : "the host gave no reason");
  }
  return convert<A>(json);
}

#define MURDER_ORDER(O)                                                \
  template std::string encode_order(std::uint64_t, const O&);          \
  template std::string encode_answer(std::uint64_t, const O::Answer&); \
  template O::Answer parse_answer(std::string_view)

MURDER_ORDER(Look);
MURDER_ORDER(Tracker);
MURDER_ORDER(Publish);
template std::string encode_order(std::uint64_t, const Seed&);
MURDER_ORDER(Stage);
MURDER_ORDER(Lock);
template std::string encode_order(std::uint64_t, const Unlock&);
MURDER_ORDER(Activate);
MURDER_ORDER(Check);
template std::string encode_order(std::uint64_t, const Rollback&);
MURDER_ORDER(Place);
MURDER_ORDER(ListReleases);
MURDER_ORDER(Verify);
MURDER_ORDER(Prune);
MURDER_ORDER(Examine);
MURDER_ORDER(Listen);
MURDER_ORDER(Probe);
#undef MURDER_ORDER

}  // namespace murder::orders
