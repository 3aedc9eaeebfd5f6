// A tracker, a seeder and peers in one process, over loopback: the threads of node/ under one
// sanitizer's eyes.
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "node/options.hpp"
#include "node/torrent_maker.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

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

class LocalSwarm : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "murder-node-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ / "source/sub");
    Random random(7);
    for (int file = 0; file < 40; ++file) {
      std::ofstream out(folder_ / "source/sub" / ("file" + std::to_string(file)), std::ios::binary);
      for (int i = 0; i < 40'000; ++i) out.put(static_cast<char>(random.next()));
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  PeerOptions peer(const std::string& name, const std::string& torrent) const {
    PeerOptions options;
    options.source = torrent;
    options.destination = folder_ / name;
    options.listen = *IpAddress::parse("127.0.0.1");
    options.name = name;
    options.activate = true;
    options.timeout = 60s;
    return options;
  }

  fs::path folder_;
};

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(LocalSwarm, every_peer_ends_with_the_same_tree) {
  Events tracker_events;
  TrackerOptions tracker;
  tracker.listen = {*IpAddress::parse("127.0.0.1"), 0};
  tracker.expect = 3;
  tracker.exit_when_complete = true;
  std::jthread tracker_thread([&] { run_tracker(tracker, tracker_events, Log::silent()); });
  const Endpoint announce = tracker_events.wait_for<events::Listening>().endpoint;

  PackRequest request;
  request.source = folder_ / "source";
  request.output = folder_ / "release.tar.zst";
  request.trackers = {"http://" + announce.to_string() + "/announce"};
  const events::Packed packed = make_release(request);

  Events seed_events;
  SeedOptions seed;
  seed.torrent = packed.torrent;
  seed.payload = packed.path;
  seed.listen = *IpAddress::parse("127.0.0.1");
  seed.linger = parse_linger("swarm");
  std::jthread seed_thread([&] { run_seeder(seed, seed_events, Log::silent()); });

  std::map<std::string, Events> peer_events;
  std::vector<std::string> names{"one", "two", "three"};
  for (const std::string& name : names) peer_events[name];
  {
    std::vector<std::jthread> peers;
    for (const std::string& name : names)
      peers.emplace_back([&, name] {
        try {
          run_peer(peer(name, packed.torrent), peer_events.at(name), Log::silent());
        } catch (const Error& error) {
          peer_events.at(name).emit(events::ErrorEvent{error.kind(), error.what()});
        }
      });
  }
  for (const std::string& name : names) {
    EXPECT_EQ(peer_events.at(name).wait_for<events::Staged>().tag, packed.tag);
    for (int file = 0; file < 40; ++file) {
      const fs::path path = fs::path("sub") / ("file" + std::to_string(file));
      EXPECT_EQ(content(folder_ / name / "current" / path), content(folder_ / "source" / path));
    }
  }
}

TEST_F(LocalSwarm, a_seeder_of_other_bytes_refuses_to_serve) {
  PackRequest request;
  request.source = folder_ / "source";
  request.output = folder_ / "release.tar.zst";
  const events::Packed packed = make_release(request);
  {
    std::fstream pack(packed.path, std::ios::in | std::ios::out | std::ios::binary);
    pack.seekp(70'000);
    pack.put('\x55').put('\xaa').put('\x55');
  }
  SeedOptions seed;
  seed.torrent = packed.torrent;
  seed.payload = packed.path;
  Events events;
  try {
    run_seeder(seed, events, Log::silent());
    FAIL() << "it served";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::integrity);
    EXPECT_NE(std::string(error.what()).find("does not match its torrent"), std::string::npos);
  }
}

TEST_F(LocalSwarm, nobody_to_fetch_from_is_unreachable_and_says_what_is_missing) {
  PackRequest request;
  request.source = folder_ / "source";
  request.output = folder_ / "release.tar.zst";
  const events::Packed packed = make_release(request);
  PeerOptions options = peer("alone", packed.torrent);
  options.timeout = 200ms;
  Events events;
  try {
    run_peer(options, events, Log::silent());
    FAIL() << "it ended well";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unreachable);
    EXPECT_NE(std::string(error.what()).find("100.0 %"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(options.destination / "current"));
}

}  // namespace
}  // namespace murder::node
