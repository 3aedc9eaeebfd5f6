// Transfers that are watched, steered and fed through their control sockets: real peers over
// loopback, a tracker, and controllers that come and go.
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "node/control_socket.hpp"
#include "node/options.hpp"
#include "node/torrent_maker.hpp"
#include "orders/frame.hpp"
#include "swarm/bitfield.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr int patience_ms = 60'000;
const IpAddress loopback = *IpAddress::parse("127.0.0.1");

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Remembers events, and lets a test wait for one.
class Events : public events::EventSink {
 public:
  void emit(const events::Event& event) override {
    const std::lock_guard lock(mutex_);
    seen_.push_back(event);
    changed_.notify_all();
  }
  template <class Wanted>
  Wanted wait_for() {
    std::unique_lock lock(mutex_);
    Wanted found{};
    const bool came = changed_.wait_for(lock, 60s, [&] {
      for (const events::Event& event : seen_)
        if (const auto* wanted = std::get_if<Wanted>(&event)) {
          found = *wanted;
          return true;
        }
      return false;
    });
    if (!came) throw Error(ErrorKind::failed, "the event did not come within a minute");
    return found;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<events::Event> seen_;
};

/// A session's end of a control socket.
class Controller {
 public:
  explicit Controller(UniqueFd socket) : socket_(std::move(socket)) {
    if (!socket_) throw Error(ErrorKind::failed, "nobody listens");
  }
  Controller(const fs::path& destination, const std::string& tag)
      : Controller(connect_control_socket(
            Destination::open(destination, Destination::Mode::existing), tag)) {}

  /// False when the other end has closed it.
  bool send(const Json& order, std::span<const std::uint8_t> attachment = {}) {
    const std::string frame = orders::encode_frame(order.dump(), attachment);
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t n =
          ::send(socket_.get(), frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  /// nullopt when the other end has closed it.
  std::optional<orders::Frame> next() {
    std::vector<std::uint8_t> bytes(65536);
    while (true) {
      if (auto frame = reader_.next()) return frame;
      pollfd ready{socket_.get(), POLLIN, 0};
      if (::poll(&ready, 1, patience_ms) <= 0)
        throw Error(ErrorKind::failed, "nothing came within a minute");
      const ssize_t n = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
      if (n <= 0) return std::nullopt;
      reader_.add(std::span(bytes).first(static_cast<std::size_t>(n)));
    }
  }
  /// The next frame that has `key`; others are dropped.
  std::optional<Json> next_with(const std::string& key, const Json& value = nullptr) {
    while (const auto frame = next()) {
      last_ = *frame;
      Json json = Json::parse(frame->json);
      if (json.contains(key) && (value.is_null() || json[key] == value)) return json;
    }
    return std::nullopt;
  }
  Json await(const std::string& key, const Json& value = nullptr) {
    auto found = next_with(key, value);
    if (!found) throw Error(ErrorKind::failed, "it was closed before it said " + key);
    return *found;
  }
  const std::vector<std::uint8_t>& attachment() const { return last_.attachment; }

 private:
  UniqueFd socket_;
  orders::FrameReader reader_;
  orders::Frame last_;
};

/// A tracker on a thread, until the test ends it by closing its swarm.
struct Tracker {
  Events events;
  std::jthread thread;
  std::string url;

  explicit Tracker(std::uint32_t expect) {
    thread = std::jthread([this, expect] {
      TrackerOptions options;
      options.listen = {loopback, 0};
      options.expect = expect;
      options.exit_when_complete = true;
      run_tracker(options, events, Log::silent());
    });
    url = "http://" + events.wait_for<events::Listening>().endpoint.to_string() + "/announce";
  }
};

/// A peer on a thread.
struct Peer {
  PeerOptions options;
  Events events;
  std::optional<Error> error;
  std::jthread thread;

  explicit Peer(PeerOptions the_options) : options(std::move(the_options)) {
    thread = std::jthread([this] {
      try {
        run_peer(options, events, Log::silent());
      } catch (const Error& e) {
        error = e;
      }
    });
  }
  Controller control(const std::string& tag) {
    events.wait_for<events::Listening>();
    return Controller(options.destination, tag);
  }
  void join() { thread.join(); }
};

class FedSwarm : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "murder-fed-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ / "source/sub");
    Random random(7);
    for (int file = 0; file < 20; ++file) {
      std::ofstream out(source(file), std::ios::binary);
      for (int i = 0; i < 40'000; ++i) out.put(static_cast<char>(random.next()));
    }
    PackRequest request;
    request.source = folder_ / "source";
    request.output = folder_ / "release.tar.zst";
    packed_ = make_release(request);
    metainfo_ = parse_metainfo(read_file(packed_.torrent), packed_.torrent);
    pack_ = content(packed_.path);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path source(int file) const {
    return folder_ / "source/sub" / ("file" + std::to_string(file));
  }
  PeerOptions options(const std::string& name) const {
    PeerOptions options;
    options.source = packed_.torrent;
    options.destination = folder_ / name;
    options.listen = loopback;
    options.name = name;
    options.control = true;
    options.timeout = 60s;
    return options;
  }
  PeerOptions options(const std::string& name, const std::string& tracker) const {
    PeerOptions result = options(name);
    result.trackers = {tracker};
    return result;
  }
  std::span<const std::uint8_t> bytes(std::uint32_t piece) const {
    return std::span(reinterpret_cast<const std::uint8_t*>(pack_.data()), pack_.size())
        .subspan(metainfo_.piece_offset(PieceIndex(piece)),
                 metainfo_.piece_size(PieceIndex(piece)));
  }
  void feed(Controller& controller, std::uint32_t piece) const {
    ASSERT_TRUE(controller.send({{"order", "pieces"}, {"piece", piece}}, bytes(piece)));
    const Json answer = controller.await("fed", piece);
    EXPECT_FALSE(answer.contains("error")) << answer;
  }
  void expect_staged(const PeerOptions& options) const {
    for (int file = 0; file < 20; ++file)
      EXPECT_EQ(content(options.destination / "releases" / packed_.tag / "sub" /
                        ("file" + std::to_string(file))),
                content(source(file)));
  }

  fs::path folder_;
  events::Packed packed_;
  Metainfo metainfo_;
  std::string pack_;
};

TEST_F(FedSwarm, hosts_get_what_is_handed_to_their_seeder_piece_by_piece) {
  Tracker tracker(3);
  PeerOptions origin = options("origin", tracker.url);
  origin.seeder = true;
  Peer seeder(origin);
  std::vector<std::unique_ptr<Peer>> hosts;
  for (const std::string name : {"one", "two", "three"}) {
    PeerOptions host = options(name, tracker.url);
    host.control = false;
    hosts.push_back(std::make_unique<Peer>(host));
  }
  Controller controller = seeder.control(packed_.tag);
  EXPECT_TRUE(controller.await("event", "transfer").at("seeder").get<bool>());
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(controller, piece);
  controller.await("event", "staged");
  seeder.join();
  EXPECT_FALSE(seeder.error);
  expect_staged(seeder.options);
  for (const auto& host : hosts) {
    host->join();
    EXPECT_FALSE(host->error);
    EXPECT_EQ(host->events.wait_for<events::Complete>().downloaded_bytes, metainfo_.length);
    expect_staged(host->options);
  }
}

TEST_F(FedSwarm, wrong_bytes_are_refused_and_nothing_else_happens) {
  PeerOptions alone = options("alone");
  alone.linger = parse_linger("none");
  Peer peer(alone);
  Controller controller = peer.control(packed_.tag);
  std::vector<std::uint8_t> wrong(bytes(1).begin(), bytes(1).end());
  wrong[7] ^= 1;
  const auto refusal = [&](const Json& order, std::span<const std::uint8_t> attachment) {
    EXPECT_TRUE(controller.send(order, attachment));
    return controller.await("error").value("kind", "");
  };
  EXPECT_EQ(refusal({{"order", "pieces"}, {"piece", 1}}, wrong), "integrity");
  EXPECT_EQ(refusal({{"order", "pieces"}, {"piece", 1}}, bytes(1).first(100)), "integrity");
  EXPECT_EQ(refusal({{"order", "pieces"}, {"piece", 1'000'000}}, bytes(1)), "integrity");
  EXPECT_EQ(refusal({{"order", "pieces"}, {"piece", -1}}, bytes(1)), "usage");
  EXPECT_EQ(refusal({{"order", "dance"}}, {}), "usage");
  EXPECT_EQ(refusal({{"order", "trackers"}, {"urls", {"ftp://x"}}}, {}), "usage");
  controller.send({{"order", "have"}});
  controller.await("have");
  EXPECT_EQ(controller.attachment(), std::vector<std::uint8_t>((metainfo_.piece_count() + 7) / 8));
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(controller, piece);
  feed(controller, 0);  // once more does no harm
  controller.await("event", "staged");
  EXPECT_FALSE(controller.next_with("error")) << "closed at the end";
  peer.join();
  EXPECT_FALSE(peer.error);
  expect_staged(peer.options);
}

TEST_F(FedSwarm, a_controller_that_comes_later_hears_what_it_missed_and_what_is_here) {
  PeerOptions alone = options("alone");
  alone.linger = parse_linger("forever");
  Peer peer(alone);
  const std::uint32_t half = metainfo_.piece_count() / 2;
  {
    Controller first = peer.control(packed_.tag);
    for (std::uint32_t piece = 0; piece < half; ++piece) feed(first, piece);
  }
  {
    Controller second = peer.control(packed_.tag);
    const Json state = second.await("event", "transfer");
    EXPECT_EQ(state.at("tag"), packed_.tag);
    EXPECT_EQ(state.at("info_hash"), metainfo_.info_hash.hex());
    EXPECT_EQ(state.at("state"), "fetching");
    EXPECT_EQ(state.at("pieces"), metainfo_.piece_count());
    EXPECT_EQ(state.at("have_pieces"), half);
    EXPECT_EQ(state.at("listening"), second.await("event", "listening").at("endpoint"));
    second.send({{"order", "have"}});
    second.await("have");
    const auto have = swarm::Bitfield::from_wire(
        {reinterpret_cast<const char*>(second.attachment().data()), second.attachment().size()},
        metainfo_.piece_count());
    ASSERT_TRUE(have);
    for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece)
      if (!have->test(PieceIndex(piece))) feed(second, piece);
    second.await("event", "staged");
  }
  Controller third = peer.control(packed_.tag);
  EXPECT_EQ(third.await("event", "transfer").at("state"), "staged");
  third.await("event", "complete");
  third.await("event", "staged");
  third.send({{"order", "finish"}});
  third.await("finish");
  peer.join();
  EXPECT_FALSE(peer.error);
}

TEST_F(FedSwarm, finish_that_comes_early_waits_until_it_is_staged) {
  PeerOptions alone = options("alone");
  alone.linger = parse_linger("forever");
  Peer peer(alone);
  Controller controller = peer.control(packed_.tag);
  controller.send({{"order", "finish"}});
  controller.await("finish");
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(controller, piece);
  peer.join();
  EXPECT_FALSE(peer.error);
  expect_staged(peer.options);
}

TEST_F(FedSwarm, stop_gives_up_and_a_later_run_goes_on_from_what_is_here) {
  {
    Peer peer(options("alone"));
    Controller controller = peer.control(packed_.tag);
    feed(controller, 0);
    controller.send({{"order", "stop"}});
    controller.await("stop");
    EXPECT_EQ(controller.await("event", "error").at("kind"), "terminated");
    peer.join();
    ASSERT_TRUE(peer.error);
    EXPECT_EQ(peer.error->kind(), ErrorKind::terminated);
  }
  EXPECT_FALSE(connect_control_socket(
      Destination::open(folder_ / "alone", Destination::Mode::existing), packed_.tag));
  Peer again(options("alone"));
  Controller controller = again.control(packed_.tag);
  EXPECT_EQ(controller.await("event", "transfer").at("have_pieces"), 1);
  controller.send({{"order", "stop"}});
  again.join();
}

TEST_F(FedSwarm, who_came_too_late_for_an_error_still_hears_it) {
  PeerOptions hopeless = options("hopeless");
  hopeless.timeout = 1ms;
  Peer peer(hopeless);
  Controller controller = peer.control(packed_.tag);
  EXPECT_EQ(controller.await("event", "error").at("kind"), "unreachable");
  peer.join();
  ASSERT_TRUE(peer.error);
  EXPECT_EQ(peer.error->kind(), ErrorKind::unreachable);
}

TEST_F(FedSwarm, a_controller_that_does_not_read_is_let_go_and_holds_nothing_up) {
  PeerOptions alone = options("alone");
  alone.linger = parse_linger("forever");
  Peer peer(alone);
  Controller slow = peer.control(packed_.tag);
  Controller other = peer.control(packed_.tag);
  while (slow.send({{"order", "have"}})) {
  }
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(other, piece);
  other.await("event", "staged");
  other.send({{"order", "stop"}});
  peer.join();
  EXPECT_FALSE(peer.error) << "it had everything";
}

TEST_F(FedSwarm, what_is_no_frame_ends_the_conversation_and_not_the_transfer) {
  Peer peer(options("alone"));
  Controller other = peer.control(packed_.tag);
  UniqueFd rude = connect_control_socket(
      Destination::open(folder_ / "alone", Destination::Mode::existing), packed_.tag);
  const std::string nonsense(64, '\xff');
  EXPECT_EQ(::send(rude.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL), 64);
  Controller ended(std::move(rude));
  while (ended.next()) {
  }
  feed(other, 0);
  other.send({{"order", "stop"}});
  peer.join();
}

TEST_F(FedSwarm, more_than_can_be_taken_waits_at_the_controller) {
  PeerOptions alone = options("alone");
  alone.linger = parse_linger("none");
  Peer peer(alone);
  Controller controller = peer.control(packed_.tag);
  // Everything, and everything again: handed over without waiting for a single answer.
  std::jthread feeder([&] {
    for (int round = 0; round < 2; ++round)
      for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece)
        controller.send({{"order", "pieces"}, {"piece", piece}}, bytes(piece));
  });
  controller.await("event", "staged");
  feeder.join();
  peer.join();
  EXPECT_FALSE(peer.error);
  expect_staged(peer.options);
}

TEST_F(FedSwarm, a_tracker_that_is_named_later_is_asked_at_once) {
  Tracker tracker(2);
  PeerOptions origin = options("origin", "http://127.0.0.1:9/announce");
  origin.seeder = true;
  Peer seeder(origin);
  Peer host(options("host", "http://127.0.0.1:9/announce"));
  Peer host2(options("host2", "http://127.0.0.1:9/announce"));
  Controller feeder = seeder.control(packed_.tag);
  EXPECT_FALSE(feeder.await("event", "tracker").at("ok").get<bool>());
  for (Peer* peer : {&seeder, &host, &host2}) {
    Controller controller = peer->control(packed_.tag);
    controller.send({{"order", "trackers"}, {"urls", {tracker.url}}});
    EXPECT_EQ(controller.await("trackers").at("trackers"), 1);
    while (!controller.await("event", "tracker").at("ok").get<bool>()) {
    }
  }
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(feeder, piece);
  host.join();
  host2.join();
  expect_staged(host.options);
  seeder.join();
}

TEST_F(FedSwarm, another_torrent_than_the_one_that_was_meant_is_refused) {
  PeerOptions wrong = options("alone");
  wrong.info_hash = InfoHash{};
  Events events;
  try {
    run_peer(wrong, events, Log::silent());
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::integrity);
  }
  EXPECT_FALSE(fs::exists(folder_ / "alone"));
}

TEST_F(FedSwarm, a_seeder_that_has_the_release_but_not_its_pack_is_given_it_once_more) {
  {
    PeerOptions alone = options("alone");
    alone.linger = parse_linger("none");
    Peer peer(alone);
    Controller controller = peer.control(packed_.tag);
    for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(controller, piece);
  }
  const fs::path pack = folder_ / "alone/.murder/packs" / (packed_.tag + ".tar.zst");
  ASSERT_TRUE(fs::remove(pack));
  PeerOptions origin = options("alone");
  origin.seeder = true;
  origin.linger = parse_linger("none");
  Peer seeder(origin);
  Controller controller = seeder.control(packed_.tag);
  controller.await("event", "staged");
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) feed(controller, piece);
  seeder.join();
  EXPECT_FALSE(seeder.error);
  EXPECT_EQ(content(pack), pack_);
}

}  // namespace
}  // namespace murder::node
