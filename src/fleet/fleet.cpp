#include "fleet/fleet.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/random.hpp"
#include "fleet/ssh_settings.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

/// A server that drops handshakes because too many come at once takes one after a while.
constexpr int most_handshakes = 8;
constexpr Duration first_backoff = std::chrono::milliseconds(200);
constexpr std::size_t handshakes_at_once = 64;
/// A jump host takes part in each handshake through it, and an sshd as it comes begins to drop them
/// when ten are under way (MaxStartups 10:30:100).
constexpr std::size_t handshakes_through_jump_host = 8;
/// For those that begin first. What it may cost where they do not answer.
constexpr Duration head_start = std::chrono::seconds(1);
/// Processes that read the configuration and end.
constexpr std::size_t questions_at_once = 8;

constexpr Duration first_wait_after_loss = std::chrono::milliseconds(250);
constexpr Duration longest_wait_after_loss = std::chrono::seconds(2);
/// A host that loses each session at once, for the order itself may be what kills it.
constexpr Duration short_life = std::chrono::seconds(5);
constexpr int most_short_lives = 6;
constexpr int patience_off_the_network = 6;
constexpr Duration patience_with_transfer = std::chrono::seconds(2);
/// For what was said last to be sent, and the end of the session to come back.
constexpr Duration patience_with_end = std::chrono::seconds(1);

int attempts(Tries tries) {
  switch (tries) {
    case Tries::one:
      return 1;
    case Tries::two:
      return 2;
    case Tries::many:
      return most_handshakes;
  }
  return 1;
}

Instant now() { return std::chrono::steady_clock::now(); }

[[noreturn]] void throw_interrupted() {
  throw Error(ErrorKind::interrupted, "interrupted before it was reached");
}

/// To a host's "Permission denied": as whom, and what helps.
std::string who_may(const Member& member, const SshOptions& ssh, const std::string& reason) {
  const std::string& user = member.hello.user;
  if (ssh.sudo || user.empty() || user == "root" || !reason.ends_with("Permission denied"))
    return {};
  return fmt::format(" (to {}; --sudo does it as root)", printable(user));
}

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
      handshakes_(io, options.ssh.concurrency.value_or(handshakes_at_once)),
      questions_(io, questions_at_once),
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
    const auto dest = host.labels.find("dest");
    member->dest = dest != host.labels.end() ? dest->second : options.dest;
    member->report.name = host.name;
    members_.push_back(std::move(member));
  }
}

Fleet::~Fleet() = default;

double Fleet::seconds() const { return to_seconds(now() - started_); }

FleetReport Fleet::snapshot() const {
  FleetReport report = report_;
  report.seconds = seconds();
  for (const auto& member : members_) {
    report.hosts.push_back(member->report);
    // Cut short while it was being switched.
    if (member->in_doubt && !member->failed()) report.hosts.back().state = HostState::unknown;
  }
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

bool Fleet::any_connected() const {
  const std::vector<Session*> all = sessions();
  return std::any_of(all.begin(), all.end(), [](const Session* s) { return s->is_open(); });
}

Member& Fleet::here() {
  if (!here_) {
    here_ = std::make_unique<Member>();
    here_->host.name = here_->report.name = "this machine";
    here_->host.here = true;
    here_->index = members_.size();
  }
  return *here_;
}

/// All that there are, open or not.
std::vector<Session*> Fleet::sessions() const {
  std::vector<Session*> sessions;
  for (const auto& member : members_)
    if (member->session) sessions.push_back(member->session.get());
  if (here_ && here_->session) sessions.push_back(here_->session.get());
  return sessions;
}

/// Of the jump host that it is reached through; null: none, or the user has said how many at once.
asio::awaitable<Gate*> Fleet::jump_gate(Member& member) {
  if (!options_.ssh.jump_hosts || options_.ssh.concurrency) co_return nullptr;
  if (!member.via) {
    const Gate::Place place = co_await questions_.enter();
    const SshSettings settings = co_await ask_ssh(io_, options_.ssh, member.host);
    member.via = settings.via;
  }
  if (member.via->empty()) co_return nullptr;
  std::unique_ptr<Gate>& gate = jump_gates_[*member.via];
  if (!gate) gate = std::make_unique<Gate>(io_, handshakes_through_jump_host);
  co_return gate.get();
}

asio::awaitable<void> Fleet::connect(Member& member) {
  while (member.connecting) co_await changed_.wait([&] { return !member.connecting; });
  if (member.is_connected()) co_return;
  member.connecting = true;
  std::exception_ptr failure;
  try {
    if (member.host.here)
      co_await open_here(member);
    else
      co_await open_session(member);
  } catch (...) {
    failure = std::current_exception();
  }
  member.connecting = false;
  if (failure)
    std::erase(first_, &member);
  else
    first_.clear();
  changed_.notify();
  if (failure && member.given_up) throw Error(*member.given_up);
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> Fleet::open_here(Member& member) {
  if (interrupted_) throw_interrupted();
  member.session = std::make_shared<Session>(
      io_, member.host, options_.ssh,
      [this, &member](const orders::Frame& frame) { heard(member, frame); },
      [this, &member] { lost(member); });
  std::vector<std::string> arguments(1, "on-host");
  member.hello = co_await member.session->open_here(std::move(arguments));
}

asio::awaitable<void> Fleet::open_session(Member& member) {
  Gate* const jump_host = co_await jump_gate(member);
  Random random = Random::from_system();
  Duration backoff = first_backoff;
  std::optional<Instant> lost_at;
  for (int attempt = 1;; ++attempt) {
    if (interrupted_) throw_interrupted();
    if (member.given_up) throw Error(*member.given_up);
    const bool was_reached = member.report.reached_s.has_value();
    try {
      co_await try_to_open(member, jump_host);
      if (connected().size() == 1) reachable_since_ = now();
      member.lost_at.reset();
      changed_.notify();
      co_return;
    } catch (const Dropped& reason) {
      if (attempt >= attempts(reason.tries())) throw;
      // A jump host that says that it is too many at once is believed.
      if (jump_host != nullptr && reason.tries() == Tries::many) jump_host->narrow();
      ++member.drops;
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

void Fleet::give_head_start(const std::vector<Member*>& members) {
  first_.assign(members.begin(), members.end());
}

asio::awaitable<void> Fleet::try_to_open(Member& member, Gate* jump_host) {
  struct Places {
    Gate::Place of_jump_host;
    Gate::Place of_all;
  };
  // The places are given back as soon as the host has answered: what follows costs no handshake.
  auto places = std::make_shared<Places>();
  if (!first_.empty() && std::find(first_.begin(), first_.end(), &member) == first_.end())
    co_await changed_.wait([this] { return first_.empty() || interrupted_; }, head_start);
  if (jump_host != nullptr) places->of_jump_host = co_await jump_host->enter();
  places->of_all = co_await handshakes_.enter();
  if (interrupted_) throw_interrupted();
  member.session = std::make_shared<Session>(
      io_, member.host, options_.ssh,
      [this, &member](const orders::Frame& frame) { heard(member, frame); },
      [this, &member] { lost(member); });
  BootstrapOptions bootstrap;
  // Of this session alone: it also names the file that is being put there, hosts may share a home,
  // and what is left of a lost session must not clear away this one's.
  bootstrap.nonce = fmt::format("{}x{}x{}", options_.nonce, member.index, ++member.sessions);
  bootstrap.dest = member.dest;
  bootstrap.binaries = bootstrap_binaries_;
  bootstrap.arguments = {"on-host"};
  const std::shared_ptr<Session> session = member.session;
  Supplier supplier = [this, &member](NeedsBinary need, std::string why) {
    return supplier_(member, std::move(need), std::move(why));
  };
  std::function<void()> on_reached = [this, &member, places]() mutable {
    places.reset();
    if (!member.report.reached_s) {
      member.report.reached_s = seconds();
      change(member, HostState::reached);
    }
  };
  places.reset();
  member.hello = co_await session->open(bootstrap, std::move(supplier), std::move(on_reached));
  if (member.report.address.empty()) {
    const auto addr = member.host.labels.find("addr");
    member.report.address = addr != member.host.labels.end() ? addr->second : member.hello.address;
  }
  if (member.on_session) co_await member.on_session(member);
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

std::string Fleet::swarm_ports() const {
  const PortRange ports = options_.ports.is_named() ? options_.ports : PortRange{8998, 9060};
  return fmt::format("TCP {} to {}", ports.first, ports.last);
}

std::string Fleet::ports() const {
  return options_.ports.is_named() ? options_.ports.to_string() : std::string();
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
    if (transfer.complete && !member.report.complete_s) member.report.complete_s = seconds();
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
    if (!member.report.complete_s) member.report.complete_s = seconds();
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
  const bool may_be_ours = kind == ErrorKind::unreachable || kind == ErrorKind::interrupted ||
                           (kind == ErrorKind::failed && phase <= Phase::stage);
  if (interrupted_ && may_be_ours) {
    // What broke because of Ctrl-C is no failure of the host; its state stays what it was.
    member.report.reason = reason;
    told(member);
    changed_.notify();
    return;
  }
  member.report.failed_in = phase;
  member.report.failure = kind;
  member.report.reason = reason + who_may(member, options_.ssh, reason);
  change(member, HostState::failed);
  observer_.logged(member.host.name, phase, member.report.reason);
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
  if (member.host.here) return note_once(fmt::format("{}: {}", member.host.name, text));
  auto& notes = member.report.notes;
  if (std::find(notes.begin(), notes.end(), text) != notes.end()) return;
  if (notes.size() < 20) notes.push_back(text);
  told(member);
}

void Fleet::interrupt() {
  interrupted_ = true;
  for (Session* session : sessions())
    if (!session->is_open()) session->abort();
  changed_.notify();
}

void Fleet::drop_sessions() {
  for (const auto& member : members_) member->session.reset();
  if (here_) here_->session.reset();
}

void Fleet::close() {
  for (Session* session : sessions()) session->close();
}

}  // namespace murder::fleet
