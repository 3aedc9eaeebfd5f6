// A node's pieces, whatever they come from, and in whatever order that is found out.
#include "node/swarm_node.hpp"

#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "node/torrent_maker.hpp"

namespace murder::node {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

const IpAddress loopback = *IpAddress::parse("127.0.0.1");

struct NoEvents : events::EventSink {
  void emit(const events::Event&) override {}
};

class SwarmNodeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "murder-node-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    Random random(7);
    std::string bytes(400'000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    fs::create_directory(folder_ / "source");
    write_file_atomically(folder_ / "source/file", bytes);
    PackRequest request;
    request.source = folder_ / "source";
    request.output = folder_ / "release.tar.zst";
    const events::Packed packed = make_release(request);
    metainfo_ = parse_metainfo(read_file(packed.torrent), packed.torrent);
    pack_ = read_file(packed.path);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::uint8_t> piece(std::uint32_t i) const {
    const auto begin =
        pack_.begin() + static_cast<std::ptrdiff_t>(metainfo_.piece_offset(PieceIndex(i)));
    return {begin, begin + metainfo_.piece_size(PieceIndex(i))};
  }

  fs::path folder_;
  Metainfo metainfo_;
  std::string pack_;
  NoEvents events_;
  Log log_ = Log::silent();
};

/// Handed over and received at the same time: the workers have both to check before either is had.
TEST_F(SwarmNodeTest, a_piece_that_comes_twice_is_told_of_once) {
  asio::io_context io(1);
  asio::thread_pool seed_workers(1), workers(1);
  Payload served(metainfo_, folder_ / "release.tar.zst", Payload::Access::read);
  Payload landing(metainfo_, folder_ / "landing", Payload::Access::read_write);
  swarm::Bitfield all(metainfo_.piece_count()), none(metainfo_.piece_count());
  all.set_all();

  SwarmNodeOptions options;
  options.listen = loopback;
  options.role = AnnounceRole::seeder;
  SwarmNode seeder(io, seed_workers, metainfo_, served, all, options, events_, log_, {});
  seeder.start();

  std::map<PieceIndex, int> told;
  std::exception_ptr failure;
  SwarmNodeCallbacks callbacks;
  callbacks.on_piece = [&](PieceIndex piece) { ++told[piece]; };
  callbacks.on_failure = [&](const std::exception_ptr& error) { failure = error; };
  options.role = AnnounceRole::host;
  options.peers = {*seeder.listening()};
  SwarmNode host(io, workers, metainfo_, landing, none, options, events_, log_, callbacks);

  std::promise<void> gate;
  asio::post(workers, [opened = gate.get_future().share()] { opened.wait(); });
  std::uint32_t fed = 0;
  for (std::uint32_t i = 0; i < metainfo_.piece_count(); ++i)
    host.feed(PieceIndex(i), piece(i), [&](const std::exception_ptr& error) { fed += !error; });
  host.start();
  const auto run_until = [&](const auto& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      io.run_for(std::chrono::milliseconds(5));
    return condition();
  };
  ASSERT_TRUE(run_until([&] { return host.engine().downloaded() == metainfo_.length; }));
  EXPECT_TRUE(told.empty()) << "nothing is checked yet";
  gate.set_value();
  ASSERT_TRUE(run_until([&] { return fed == metainfo_.piece_count(); }));
  workers.join();
  io.run_for(std::chrono::milliseconds(20));

  EXPECT_EQ(failure, nullptr);
  EXPECT_EQ(told.size(), metainfo_.piece_count());
  for (const auto& [piece, times] : told) EXPECT_EQ(times, 1) << piece.value();
  EXPECT_EQ(read_file(folder_ / "landing"), pack_);
  for (SwarmNode* node : {&host, &seeder}) {
    bool stopped = false;
    node->stop([&] { stopped = true; });
    EXPECT_TRUE(run_until([&] { return stopped; }));
  }
}

}  // namespace
}  // namespace murder::node
