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
/// Of handshakes that hang.
constexpr int most_hung = 2;

constexpr Duration first_wait_after_loss = std::chrono::milliseconds(250);
constexpr Duration longest_wait_after_loss = std::chrono::seconds(2);
/// A host that loses each session at once, for the order itself may be what kills it.
constexpr Duration short_life = std::chrono::seconds(5);
constexpr int most_short_lives = 6;
constexpr int patience_off_the_network = 6;
constexpr Duration patience_with_transfer = std::chrono::seconds(2);
/// For what was said last to be sent, and the end of the session to come back.
constexpr Duration patience_with_end = std::chrono::seconds(1);

Instant now() { return std::chrono::steady_clock::now(); }

std::string text_of(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::uint64_t number_of(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

asio::awaitable<void> end_session(asio::io_context& io, std::shared_ptr<Session> session) {
  if (session->is_open()) {
    // What its transfer was told waits there until the transfer listens.
    co_await sleep_for(io, patience_with_transfer);
    session->close();
    co_await sleep_for(io, patience_with_end);
  }
  session->abort();
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
  while (member.connecting) co_await changed_.wait([&] { return !member.connecting; });
  if (member.is_connected()) co_return;
  member.connecting = true;
  std::exception_ptr failure;
  try {
    co_await open_session(member);
  } catch (...) {
    failure = std::current_exception();
  }
  member.connecting = false;
  changed_.notify();
  if (failure && member.given_up) throw Error(*member.given_up);
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> Fleet::open_session(Member& member) {
  Random random = Random::from_system();
  Duration backoff = first_backoff;
  int hung = 0;
  std::optional<Instant> lost_at;
  for (int attempt = 1;; ++attempt) {
    if (interrupted_) throw Error(ErrorKind::interrupted, "interrupted before it was reached");
    if (member.given_up) throw Error(*member.given_up);
    const Instant began = now();
    const bool was_reached = member.report.reached_s.has_value();
    try {
      co_await try_to_open(member);
      if (connected().size() == 1) reachable_since_ = now();
      member.lost_at.reset();
      changed_.notify();
      co_return;
    } catch (const Dropped&) {
      // Who has too many handshakes drops one at once; who lets it wait will do so again.
      const bool hangs = now() - began > options_.ssh.connect_timeout / 2;
      if (attempt == most_handshakes || (hangs && ++hung == most_hung)) throw;
    } catch (const Unresponsive&) {
      throw;
    } catch (const Error& error) {
      // It had answered, and its network went while murder was brought there.
      const bool reached = member.report.reached_s.has_value() && !member.was_connected();
      if (!reached || error.kind() != ErrorKind::unreachable || interrupted_) throw;
      if (!was_reached || !lost_at) lost_at = now();
      if (now() - *lost_at >= options_.reconnect) throw;
      if (on_setback_) on_setback_(member);
    }
    // With jitter, so that those who were dropped together do not come back together.
    const Duration wait = from_seconds(to_seconds(backoff) * (0.5 + random.unit()));
    co_await changed_.wait([&] { return interrupted_ || member.given_up; }, wait);
    backoff = std::min<Duration>(backoff * 2, std::chrono::seconds(4));
  }
}

asio::awaitable<void> Fleet::try_to_open(Member& member) {
  // The place is given back as soon as the host has answered: what follows costs no handshake.
  auto place = std::make_shared<Gate::Place>(co_await handshakes_.enter());
  member.session = std::make_shared<Session>(
      io_, member.host, options_.ssh,
      [this, &member](const orders::Frame& frame) { heard(member, frame); },
      [this, &member] { lost(member); });
  BootstrapOptions bootstrap;
  // Another for each session: what is left of a lost one must not clear away this one's files.
  bootstrap.nonce = fmt::format("{}x{}", options_.nonce, ++member.sessions);
  bootstrap.dest = options_.dest;
  bootstrap.binaries = bootstrap_binaries_;
  bootstrap.arguments = {"on-host"};
  const std::shared_ptr<Session> session = member.session;
  Supplier supplier = [this, &member](std::string machine, std::string why) {
    return supplier_(member, std::move(machine), std::move(why));
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
    member.report.address = addr != member.host.labels.end() ? addr->second : member.hello.address;
  }
}

// --- sessions that are lost ----------------------------------------------------------------------

void Fleet::lost(Member& member) {
  member.lost_at = now();
  member.loss = member.session->loss();
  if (member.on_loss) member.on_loss();
  changed_.notify();
}

void Fleet::Losses::opened() {
  since.reset();
  wait = first_wait_after_loss;
  opened_at = now();
}

/// Whether another session may help.
bool Fleet::is_loss(const Member& member, const Error& error) const {
  return member.was_connected() && !member.is_connected() && !interrupted_ &&
         error.kind() == ErrorKind::unreachable;
}

Duration Fleet::patience_with_loss() const {
  std::size_t in_work = 0;
  for (const auto& member : members_) {
    if (member->is_connected()) return options_.reconnect;
    if (member->was_connected() && !member->failed()) ++in_work;
  }
  return in_work > 1 ? options_.reconnect * patience_off_the_network : options_.reconnect;
}

/// Until it is to be tried again. Throws when it was for long enough.
asio::awaitable<void> Fleet::wait_after_loss(Member& member, Losses& losses, std::string failure) {
  const Instant t = now();
  if (!losses.since) {
    losses.since = t;
    losses.short_lived = t - losses.opened_at < short_life ? losses.short_lived + 1 : 0;
  }
  const Duration patience = patience_with_loss();
  if (patience > options_.reconnect)
    note_once(
        fmt::format("no host is heard any more; this machine may be off its network: tried "
                    "again for {}, while the transfers go on by themselves",
                    format_duration(patience)));
  const auto is_over = [&] {
    return interrupted_ || member.given_up ||
           now() - std::max(*losses.since, reachable_since_) > patience_with_loss();
  };
  bool over = losses.short_lived >= most_short_lives;
  if (!over) over = co_await changed_.wait(is_over, losses.wait);
  if (member.given_up) throw Error(*member.given_up);
  losses.wait = std::min<Duration>(losses.wait * 2, longest_wait_after_loss);
  if (!over) co_return;
  throw Error(ErrorKind::unreachable,
              failure == member.loss
                  ? failure
                  : fmt::format("{}; it could not be reached again: {}", member.loss, failure));
}

void Fleet::give_up_on(Member& member, const Error& reason) {
  if (member.given_up) return;
  member.given_up.emplace(reason);
  if (member.session) asio::co_spawn(io_, end_session(io_, member.session), asio::detached);
  changed_.notify();
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
    if (!transfer.running) transfer.linked_at = transfer.began_at = now();
    transfer.progress_at = now();
    transfer.running = true;
    transfer.have_pieces = static_cast<std::uint32_t>(number_of(json, "have_pieces"));
    transfer.complete = text_of(json, "state") != "fetching";
  } else if (event == "progress") {
    const std::uint64_t have = number_of(json, "have_bytes");
    const std::uint64_t unpacked = number_of(json, "unpacked_bytes");
    if (have != transfer.have_bytes || unpacked != transfer.unpacked_bytes)
      transfer.progress_at = now();
    transfer.have_bytes = have;
    transfer.unpacked_bytes = unpacked;
    transfer.total_bytes = number_of(json, "total_bytes");
    transfer.down_bytes_per_s = number_of(json, "down_bytes_per_s");
    has_links(number_of(json, "links"));
  } else if (event == "complete") {
    transfer.complete = true;
    transfer.progress_at = now();
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

void Fleet::note_once(const std::string& text) {
  if (std::find(report_.notes.begin(), report_.notes.end(), text) == report_.notes.end())
    note(text);
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
