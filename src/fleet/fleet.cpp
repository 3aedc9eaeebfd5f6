#include "fleet/fleet.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/random.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

/// A server that drops handshakes because too many come at once takes one after a while.
constexpr int most_handshakes = 8;
constexpr Duration first_backoff = std::chrono::milliseconds(200);

Instant now() { return std::chrono::steady_clock::now(); }

std::string text_of(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::uint64_t number_of(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

}  // namespace

Fleet::Fleet(asio::io_context& io, const FleetOptions& options, Observer& observer)
    : io_(io),
      options_(options),
      observer_(observer),
      started_(now()),
      handshakes_(io, options.ssh.concurrency),
      changed_(io) {
  report_.deploy = options.deploy;
  report_.command = options.command;
  report_.dest = options.dest;
  report_.started_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
  for (const Host& host : options.hosts) {
    auto member = std::make_unique<Member>();
    member->host = host;
    member->index = members_.size();
    member->report.name = host.name;
    members_.push_back(std::move(member));
  }
}

Fleet::~Fleet() = default;

double Fleet::seconds() const { return to_seconds(now() - started_); }

FleetReport Fleet::snapshot() const {
  FleetReport report = report_;
  report.seconds = seconds();
  for (const auto& member : members_) report.hosts.push_back(member->report);
  return report;
}

std::vector<Member*> Fleet::all() {
  std::vector<Member*> members;
  for (const auto& member : members_) members.push_back(member.get());
  return members;
}

std::vector<Member*> Fleet::connected() {
  std::vector<Member*> members;
  for (const auto& member : members_)
    if (member->is_connected()) members.push_back(member.get());
  return members;
}

asio::awaitable<void> Fleet::connect(Member& member) {
  if (member.is_connected()) co_return;
  Random random = Random::from_system();
  Duration backoff = first_backoff;
  for (int attempt = 1;; ++attempt) {
    if (interrupted_) throw Error(ErrorKind::interrupted, "interrupted before it was reached");
    std::exception_ptr dropped;
    try {
      // The place is given back as soon as the host has answered: what follows costs no handshake.
      auto place = std::make_shared<Gate::Place>(co_await handshakes_.enter());
      member.session = std::make_shared<Session>(
          io_, member.host, options_.ssh,
          [this, &member](const orders::Frame& frame) { heard(member, frame); },
          [this, &member] {
            if (member.on_loss) member.on_loss();
            changed_.notify();
          });
      BootstrapOptions bootstrap;
      bootstrap.nonce = options_.nonce;
      bootstrap.dest = options_.dest;
      bootstrap.binaries = bootstrap_binaries_;
      bootstrap.arguments = {"on-host"};
      const std::shared_ptr<Session> session = member.session;
      Supplier supplier = [this, &member](NeedsBinary need, std::string why) {
        return supplier_(member, std::move(need), std::move(why));
      };
      std::function<void()> on_reached = [this, &member, place]() mutable {
        place.reset();
        if (!member.report.reached_s) {
          member.report.reached_s = seconds();
          change(member, HostState::reached);
        }
      };
      place.reset();
      member.hello = co_await session->open(bootstrap, std::move(supplier), std::move(on_reached));
      if (member.report.address.empty()) {
        const auto addr = member.host.labels.find("addr");
        member.report.address =
            addr != member.host.labels.end() ? addr->second : member.hello.address;
      }
      changed_.notify();
      co_return;
    } catch (const Dropped&) {
      if (attempt == most_handshakes) throw;
      dropped = std::current_exception();
    }
    // With jitter, so that those who were dropped together do not come back together.
    co_await sleep_for(io_, from_seconds(to_seconds(backoff) * (0.5 + random.unit())));
    backoff = std::min<Duration>(backoff * 2, std::chrono::seconds(4));
  }
}

asio::awaitable<void> Fleet::on_each(std::vector<Member*> members, Phase phase,
                                     std::function<asio::awaitable<void>(Member&)> work) {
  std::size_t left = members.size();
  Condition done(io_);
  for (Member* member : members)
    asio::co_spawn(io_, work(*member), [&, member, phase](const std::exception_ptr& error) {
      if (error) fail(*member, phase, error);
      if (--left == 0) done.notify();
    });
  co_await done.wait([&] { return left == 0; });
}

/// What a transfer says, kept for those who decide and those who watch.
void Fleet::heard(Member& member, const orders::Frame& frame) {
  const auto json = nlohmann::json::parse(frame.json, nullptr, false);
  if (!json.is_object()) return;
  const std::string event = text_of(json, "event");
  TransferState& transfer = member.transfer;
  const auto has_links = [&](std::uint64_t links) {
    transfer.links = static_cast<std::uint32_t>(links);
    if (links > 0) transfer.linked_at = now();
  };
  if (event == "transfer") {
    if (!transfer.running) transfer.linked_at = now();
    transfer.running = true;
    transfer.have_pieces = static_cast<std::uint32_t>(number_of(json, "have_pieces"));
    transfer.complete = text_of(json, "state") != "fetching";
  } else if (event == "progress") {
    transfer.have_bytes = number_of(json, "have_bytes");
    transfer.total_bytes = number_of(json, "total_bytes");
    transfer.down_bytes_per_s = number_of(json, "down_bytes_per_s");
    has_links(number_of(json, "links"));
  } else if (event == "complete") {
    transfer.complete = true;
    transfer.have_bytes = transfer.total_bytes;
    member.report.fetched_bytes = number_of(json, "downloaded_bytes");
    member.report.resumed_bytes = number_of(json, "resumed_bytes");
  } else if (event == "tracker") {
    const auto ok = json.find("ok");
    transfer.tracker_ok = ok == json.end() || !ok->is_boolean() || ok->get<bool>();
  } else if (event == "warning") {
    note(member, text_of(json, "message"));
  }
  if (member.on_transfer) member.on_transfer(frame);
  changed_.notify();
}

void Fleet::change(Member& member, HostState state) {
  member.report.state = state;
  told(member);
  changed_.notify();
}

void Fleet::fail(Member& member, Phase phase, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& reason) {
    fail(member, phase, reason.kind(), reason.what());
  } catch (const std::exception& reason) {
    fail(member, phase, ErrorKind::failed, reason.what());
  }
}

void Fleet::fail(Member& member, Phase phase, ErrorKind kind, const std::string& reason) {
  if (interrupted_ && kind != ErrorKind::usage && kind != ErrorKind::integrity) {
    // What broke because of Ctrl-C is no failure of the host; its state stays what it was.
    member.report.reason = reason;
    told(member);
    changed_.notify();
    return;
  }
  member.report.failed_in = phase;
  member.report.failure = kind;
  member.report.reason = reason;
  change(member, HostState::failed);
  observer_.logged(member.host.name, phase, reason);
}

void Fleet::note(const std::string& text) {
  report_.notes.push_back(text);
  observer_.noted(text);
}

void Fleet::note(Member& member, const std::string& text) {
  auto& notes = member.report.notes;
  if (std::find(notes.begin(), notes.end(), text) != notes.end()) return;
  if (notes.size() < 20) notes.push_back(text);
  told(member);
}

void Fleet::interrupt() {
  interrupted_ = true;
  for (const auto& member : members_)
    if (member->session && !member->session->is_open()) member->session->abort();
  changed_.notify();
}

void Fleet::drop_sessions() {
  for (const auto& member : members_) member->session.reset();
}

void Fleet::close() {
  for (const auto& member : members_)
    if (member->session) member->session->close();
}

}  // namespace murder::fleet
