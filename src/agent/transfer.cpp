#include "agent/transfer.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/log_tail.hpp"
#include "agent/worker.hpp"
#include "base/digest.hpp"
#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "events/event.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/lock.hpp"
#include "host/spawn.hpp"
#include "node/control_socket.hpp"

namespace murder::agent {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

/// What waits for the transfer to read it; with more, the control side is read no further.
constexpr std::size_t max_unsent_bytes = 4u << 20;
constexpr std::size_t read_bytes = 256u << 10;
constexpr Duration look_every = std::chrono::milliseconds(10);
/// For a transfer that holds the tag's lock to come to listen, or to end.
constexpr Duration patience_with_holder = std::chrono::seconds(3);
constexpr unsigned max_starts = 3;

Instant now() { return std::chrono::steady_clock::now(); }

ErrorKind kind_of(int status) {
  for (const ErrorKind kind : {ErrorKind::usage, ErrorKind::partial, ErrorKind::unreachable,
                               ErrorKind::integrity, ErrorKind::interrupted, ErrorKind::terminated})
    if (status == static_cast<int>(kind)) return kind;
  return ErrorKind::failed;
}

/// Nobody who was asked to end, and no command that ended by itself, is started again.
bool was_killed(int status) { return status > 128 && kind_of(status) == ErrorKind::failed; }

std::string transfers_file(const std::string& tag, std::string_view suffix) {
  return fmt::format("{}/{}{}", layout::transfers, tag, suffix);
}

std::string log_of(const Destination& destination, const std::string& tag) {
  const UniqueFd fd = open_beneath(destination.fd(), transfers_file(tag, ".log"), O_RDONLY);
  std::string text;
  return fd && read_all(fd.get(), text) ? text : std::string();
}

bool is_torrent_of(const fs::path& torrent, const InfoHash& info_hash) {
  std::error_code ec;
  return fs::exists(torrent, ec) &&
         parse_metainfo(read_file(torrent), torrent.native()).info_hash == info_hash;
}

std::vector<std::string> peer_command(const orders::Stage& order, const Destination& destination,
                                      const std::string& source) {
  std::vector<std::string> argv{"murder",
                                "peer",
                                source,
                                "--to",
                                destination.path().native(),
                                "--control",
                                "--no-config",
                                "--info-hash",
                                order.info_hash,
                                "--timeout",
                                fmt::format("{}s", order.timeout_s),
                                "--linger",
                                fmt::format("swarm:{}s", order.linger_s)};
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    argv.emplace_back(flag);
    argv.push_back(value);
  };
  for (const std::string& url : order.trackers) add("--tracker", url);
  add("--name", order.host);
  add("--listen", order.address);
  add("--port", order.ports);
  add("--owner", order.owner);
  add("--up", order.up);
  add("--down", order.down);
  if (order.seeder) argv.emplace_back("--seeder");
  return argv;
}

std::uint64_t number_in(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

std::string text_in(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

/// A connection to a transfer's socket, as long as it lasts.
struct Transfer::Link {
  Link(asio::io_context& io, int fd) : stream(io, fd), changed(io) {}

  asio::posix::stream_descriptor stream;
  orders::FrameReader frames;
  std::deque<std::string> unsent;
  std::size_t unsent_bytes = 0;
  Notice changed;  ///< the unsent, or that it is open
  bool open = true;

  void close() {
    if (!std::exchange(open, false)) return;
    boost::system::error_code ignored;
    stream.close(ignored);
    changed.raise();
  }

  static asio::awaitable<void> write(std::shared_ptr<Link> link) {
    while (link->open) {
      if (link->unsent.empty()) {
        co_await link->changed.wait();
        continue;
      }
      const auto [error, n] =
          co_await asio::async_write(link->stream, asio::buffer(link->unsent.front()), quietly);
      if (error) co_return link->close();
      link->unsent_bytes -= n;
      link->unsent.pop_front();
      link->changed.raise();
    }
  }
};

Transfer::Transfer(asio::io_context& io, asio::thread_pool& worker, fs::path executable, Tell tell,
                   Log log)
    : io_(io),
      worker_(worker),
      executable_(std::move(executable)),
      tell_(std::move(tell)),
      log_(std::move(log)),
      changed_(io) {}

Transfer::~Transfer() = default;

Transfer::Prepared Transfer::prepare(const orders::Stage& order,
                                     std::span<const std::uint8_t> torrent) {
  layout::require_release_tag(order.tag);
  const auto info_hash = InfoHash::from_hex(order.info_hash);
  if (!info_hash)
    throw Error(ErrorKind::usage,
                fmt::format("\"{}\" is no info-hash", printable(order.info_hash)));
  Prepared prepared{Destination::open(order.dest, Destination::Mode::create), order.torrent_url,
                    false};
  const Destination& destination = prepared.destination;
  const fs::path kept = destination.metainfo_path(order.tag);
  const bool is_kept = is_torrent_of(kept, *info_hash);
  prepared.staged = is_kept && destination.has_release(order.tag);
  if (!prepared.source.empty()) return prepared;
  if (torrent.empty() && !is_kept)
    throw Error(ErrorKind::usage, "neither a torrent nor its URL was given");
  if (torrent.empty()) {
    prepared.source = kept.native();
    return prepared;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(torrent.data()), torrent.size());
  if (parse_metainfo(bytes, "the torrent").info_hash != *info_hash)
    throw Error(ErrorKind::integrity, "the torrent is not the one of the order's info-hash");
  const std::string file = transfers_file(order.tag, ".torrent");
  const UniqueFd folder = layout::open_folder(destination, layout::transfers);
  if (!replace_file(folder.get(), order.tag + ".torrent", bytes, 0600))
    throw_system_error("cannot write", layout::shown(destination, file), errno);
  prepared.source = layout::shown(destination, file);
  return prepared;
}

asio::awaitable<orders::Staged> Transfer::stage(const orders::Stage& order,
                                                std::span<const std::uint8_t> torrent) {
  std::exception_ptr failure;
  orders::Staged answer;
  try {
    answer = co_await carry_out(order, torrent);
  } catch (...) {
    failure = std::current_exception();
  }
  // What waits to be passed on is, or is told that there is nobody to pass it on to.
  --expected_;
  changed_.raise();
  if (failure) std::rethrow_exception(failure);
  co_return answer;
}

asio::awaitable<orders::Staged> Transfer::carry_out(const orders::Stage& order,
                                                    std::span<const std::uint8_t> torrent) {
  const Instant began = now();
  const Prepared prepared = co_await on_worker(worker_, [&] { return prepare(order, torrent); });
  orders::Staged answer;
  answer.already = prepared.staged;
  if (prepared.staged && !order.seeder && !order.serve) co_return answer;
  let_go();
  outcome_ = {};
  starts_ = 0;
  info_hash_ = order.info_hash;
  while (!is_done(order)) {
    if (outcome_.error) {
      let_go();
      throw Error(*outcome_.error);
    }
    if (link_)
      co_await changed_.wait();
    else
      co_await reach(order, prepared);
  }
  answer.seconds = to_seconds(now() - began);
  answer.fetched_bytes = outcome_.fetched_bytes;
  answer.resumed_bytes = outcome_.resumed_bytes;
  co_return answer;
}

/// Of the transfer that was watched so far; it goes on.
void Transfer::let_go() {
  if (link_) std::exchange(link_, nullptr)->close();
  if (child_) left_.push_back(*std::exchange(child_, std::nullopt));
  std::erase_if(left_, [](pid_t process) { return reap(process).has_value(); });
}

bool Transfer::is_done(const orders::Stage& order) const {
  return outcome_.staged && (!order.seeder || outcome_.complete);
}

/// Until there is a link to the transfer, started if need be.
asio::awaitable<void> Transfer::reach(const orders::Stage& order, const Prepared& prepared) {
  std::optional<Instant> held_since;
  for (;;) {
    const bool connected = co_await try_to_connect(order, prepared);
    if (connected) co_return;
    if (child_) {
      if (const auto status = reap(*child_)) {
        child_.reset();
        co_await child_ended(order, prepared, *status);
      }
    } else {
      const std::string holder = co_await on_worker(
          worker_, [&] { return TransferLock::holder(prepared.destination, order.tag); });
      if (holder.empty()) {
        start(order, prepared);
      } else if (now() - held_since.value_or(now()) > patience_with_holder) {
        throw LockHeld(fmt::format("{} in {} is in use by {}; wait for it or end it", order.tag,
                                   prepared.destination.path().native(), holder),
                       holder);
      }
      if (!holder.empty() && !held_since) held_since = now();
    }
    co_await pause_for(io_, look_every);
  }
}

asio::awaitable<bool> Transfer::try_to_connect(const orders::Stage& order,
                                               const Prepared& prepared) {
  UniqueFd fd = co_await on_worker(
      worker_, [&] { return node::connect_control_socket(prepared.destination, order.tag); });
  if (!fd) co_return false;
  if (closed_) co_return true;
  link_ = std::make_shared<Link>(io_, fd.release());
  asio::co_spawn(io_, listen(link_), asio::detached);
  asio::co_spawn(io_, Link::write(link_), asio::detached);
  changed_.raise();
  co_return true;
}

/// Throws how it ended, unless it is to be started again.
asio::awaitable<void> Transfer::child_ended(const orders::Stage& order, const Prepared& prepared,
                                            int status) {
  struct Found {
    std::string words;
    bool held = false;
  };
  const Found found = co_await on_worker(worker_, [&] {
    return Found{last_words(log_of(prepared.destination, order.tag)),
                 !TransferLock::holder(prepared.destination, order.tag).empty()};
  });
  // Another session's was quicker: that one is joined.
  if (found.held) co_return;
  const std::string ended =
      fmt::format("the transfer of {} ended: {}", order.tag, describe_status(status));
  const std::string log = layout::shown(prepared.destination, transfers_file(order.tag, ".log"));
  if (!was_killed(status))
    throw Error(kind_of(status),
                found.words.empty() ? fmt::format("{}; see {}", ended, log) : found.words);
  if (starts_ >= max_starts)
    throw Error(ErrorKind::failed,
                fmt::format("{}, {} times{}; see {}", ended, starts_,
                            found.words.empty() ? "" : "; it said last: " + found.words, log));
  log_.warning("{}; it is started again", ended);
  orders::Frame warning;
  warning.json = events::to_json_line(events::Warning{ended + "; it was started again"},
                                      to_seconds(now().time_since_epoch()));
  co_await tell_(std::move(warning));
}

void Transfer::start(const orders::Stage& order, const Prepared& prepared) {
  const UniqueFd folder = layout::open_folder(prepared.destination, layout::transfers);
  const UniqueFd log =
      open_beneath(folder.get(), order.tag + ".log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  if (!log)
    throw_system_error("cannot open",
                       layout::shown(prepared.destination, transfers_file(order.tag, ".log")),
                       errno);
  child_ = spawn({.program = executable_.native(),
                  .argv = peer_command(order, prepared.destination, prepared.source),
                  .output = log.get()});
  ++starts_;
}

asio::awaitable<void> Transfer::listen(std::shared_ptr<Link> link) {
  std::vector<std::uint8_t> buffer(read_bytes);
  while (link->open) {
    const auto [error, n] = co_await link->stream.async_read_some(asio::buffer(buffer), quietly);
    if (error) break;
    try {
      link->frames.add(std::span(buffer).first(n));
      while (auto frame = link->frames.next()) {
        if (link == link_) note(frame->json);
        co_await tell_(std::move(*frame));
      }
    } catch (const Error& broken) {
      log_.warning("what a transfer says cannot be understood: {}", broken.what());
      break;
    }
  }
  link->close();
  if (link == link_) link_.reset();
  changed_.raise();
}

void Transfer::note(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return;
  const std::string event = text_in(json, "event");
  if (event == "transfer" && text_in(json, "info_hash") != info_hash_) {
    outcome_.error.emplace(
        ErrorKind::usage,
        fmt::format("a transfer of {} with other bytes runs there (info-hash {}); wait for it, or "
                    "give the new release another tag",
                    printable(text_in(json, "tag")), printable(text_in(json, "info_hash"))));
  } else if (event == "complete") {
    outcome_.complete = true;
    outcome_.fetched_bytes = number_in(json, "downloaded_bytes");
    outcome_.resumed_bytes = number_in(json, "resumed_bytes");
  } else if (event == "staged") {
    outcome_.staged = true;
  } else if (event == "error") {
    outcome_.error.emplace(kind_of(static_cast<int>(number_in(json, "exit"))),
                           text_in(json, "message"));
  } else {
    return;
  }
  changed_.raise();
}

asio::awaitable<void> Transfer::pass_on(orders::Frame frame) {
  while (!closed_ && !link_ && expected_ > 0) co_await changed_.wait();
  if (closed_) co_return;
  const std::shared_ptr<Link> link = link_;
  if (!link) {
    orders::Frame answer;
    answer.json = R"({"error":"no transfer runs here that this session watches","kind":"failed"})";
    co_await tell_(std::move(answer));
    co_return;
  }
  link->unsent.push_back(orders::encode_frame(frame.json, frame.attachment));
  link->unsent_bytes += link->unsent.back().size();
  link->changed.raise();
  while (link->open && link->unsent_bytes > max_unsent_bytes) co_await link->changed.wait();
}

void Transfer::close() {
  closed_ = true;
  if (link_) link_->close();
  changed_.raise();
}

}  // namespace murder::agent
