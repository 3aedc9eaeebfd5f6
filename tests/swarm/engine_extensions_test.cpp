// Metadata for those who lack it, and peers that tell one another of peers.
#include <set>

#include "bittorrent/peer_extensions.hpp"
#include "swarm/engine_fixture.hpp"

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;
using Type = wire::MetadataMessage::Type;

constexpr std::uint8_t their_metadata = 5;
constexpr std::uint8_t their_pex = 6;
/// Links with which a host does not look for more while its tracker answers.
constexpr std::uint32_t few_enough = 3;

class ExtensionsTest : public EngineTest {
 protected:
  std::string metadata_ = std::string(40'000, 'i');

  void make_talking(bool is_private, bool tracker = true, bool seeder = false) {
    Bitfield have(8);
    if (seeder) have.set_all();
    EngineConfig config;
    config.geometry = {8 * std::uint64_t{piece_bytes}, piece_bytes};
    config.self = id_of("-MU0100-", 0);
    if (tracker) config.trackers = {"t"};
    config.metadata = std::make_shared<const std::string>(metadata_);
    config.exchange_peers = true;
    config.is_private = is_private;
    engine_.emplace(config, have, Random(1), out_);
    engine_->listens_at(8999);
    engine_->start(now_);
    if (tracker) tracker_answers();
  }
  void tracker_answers() {
    AnnounceReply reply;
    reply.interval_s = 3600;
    engine_->on_tracker_reply(reply, now_);
  }
  LinkId meet(std::uint32_t n, const char* prefix = "-MU0100-", std::uint16_t port = 0) {
    const LinkId link = connect(n, prefix);
    wire::ExtensionHandshake hello;
    hello.ut_metadata = their_metadata;
    hello.ut_pex = their_pex;
    hello.listen_port = port;
    say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
    return link;
  }
  void ask(LinkId link, std::uint32_t piece) {
    say(link, wire::Extended{wire::our_ut_metadata,
                             wire::encode_metadata_message({Type::request, piece})});
  }
  std::vector<wire::MetadataMessage> answers(LinkId link) {
    std::vector<wire::MetadataMessage> found;
    for (const auto& extended : out_.take<wire::Extended>(link))
      if (extended.id == their_metadata)
        found.push_back(*wire::decode_metadata_message(extended.payload));
    return found;
  }
  std::vector<wire::PexMessage> told(LinkId link) {
    std::vector<wire::PexMessage> found;
    for (const auto& extended : out_.take<wire::Extended>(link))
      if (extended.id == their_pex) found.push_back(*wire::decode_pex_message(extended.payload));
    return found;
  }
  void tell(LinkId link, const std::vector<Endpoint>& added,
            const std::vector<Endpoint>& dropped = {}) {
    say(link, wire::Extended{wire::our_ut_pex, wire::encode_pex_message({added, dropped})});
  }
  static Endpoint host(int n) {
    return {IpAddress::v4({10, 1, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}),
            8999};
  }
  std::size_t dialled_of(const std::vector<Endpoint>& peers) const {
    std::size_t count = 0;
    for (const Endpoint& endpoint : out_.dialled)
      count += std::find(peers.begin(), peers.end(), endpoint) != peers.end() ? 1 : 0;
    return count;
  }
};

TEST_F(ExtensionsTest, metadata_is_offered_and_given_piece_by_piece) {
  make_talking(true);
  const LinkId stock = connect(1, "-lt2080-");
  const auto hellos = out_.take<wire::Extended>(stock);
  ASSERT_EQ(hellos.size(), 1u);
  const auto hello = wire::decode_extension_handshake(hellos[0].payload);
  EXPECT_EQ(hello->metadata_size, metadata_.size());
  EXPECT_EQ(hello->ut_metadata, wire::our_ut_metadata);
  EXPECT_EQ(hello->listen_port, 8999);
  const LinkId link = meet(2, "-lt2080-");
  for (const std::uint32_t piece : {2u, 0u, 1u, 3u}) ask(link, piece);
  const auto given = answers(link);
  ASSERT_EQ(given.size(), 4u);
  EXPECT_EQ(given[1].data + given[2].data + given[0].data, metadata_);
  EXPECT_EQ(given[0].total_size, metadata_.size());
  EXPECT_EQ(given[3].type, Type::reject);
}

TEST_F(ExtensionsTest, metadata_is_not_given_without_end) {
  make_talking(true);
  const LinkId link = meet(1);
  for (int i = 0; i < 30; ++i) ask(link, 0);
  std::size_t data = 0;
  for (const auto& answer : answers(link)) data += answer.type == Type::data ? 1 : 0;
  EXPECT_EQ(data, 12u) << "four copies";
  for (int i = 0; i < 60; ++i) ask(link, 0);
  EXPECT_EQ(out_.closed.size(), 1u);
}

TEST_F(ExtensionsTest, garbage_instead_of_a_request_is_skipped) {
  make_talking(true);
  const LinkId link = meet(1);
  say(link, wire::Extended{wire::our_ut_metadata, "garbage"});
  say(link, wire::Extended{wire::our_ut_pex, "garbage"});
  EXPECT_TRUE(answers(link).empty());
  EXPECT_TRUE(out_.closed.empty());
}

TEST_F(ExtensionsTest, murder_peers_hear_of_one_another_at_most_once_a_minute) {
  make_talking(true);
  const LinkId a = meet(1);
  pass(1s);
  EXPECT_TRUE(told(a).empty()) << "there is nobody else";
  const LinkId b = meet(2);
  pass(1s);
  auto message = told(a);
  ASSERT_EQ(message.size(), 1u);
  EXPECT_EQ(message[0].added, (std::vector{Endpoint{IpAddress::v4({10, 0, 0, 2}), 8999}}));
  ASSERT_EQ(told(b).size(), 1u);
  meet(3);
  pass(57s);
  EXPECT_TRUE(told(a).empty());
  engine_->on_closed(b, now_);
  pass(3s);
  message = told(a);
  ASSERT_EQ(message.size(), 1u);
  EXPECT_EQ(message[0].added, (std::vector{Endpoint{IpAddress::v4({10, 0, 0, 3}), 8999}}));
  EXPECT_EQ(message[0].dropped, (std::vector{Endpoint{IpAddress::v4({10, 0, 0, 2}), 8999}}));
}

TEST_F(ExtensionsTest, sooner_when_the_tracker_is_silent) {
  make_talking(true);
  const LinkId a = meet(1);
  meet(2);
  pass(1s);
  EXPECT_EQ(told(a).size(), 1u);
  engine_->on_tracker_failed(now_);
  meet(3);
  pass(3s);
  EXPECT_EQ(told(a).size(), 1u);
}

TEST_F(ExtensionsTest, one_that_dialled_us_is_told_of_where_it_listens_or_not_at_all) {
  make_talking(true);
  const LinkId a = meet(1);
  for (const int port : {0, 9005}) {
    LinkInfo info;
    info.remote = {IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(50 + port % 2)}), 40'000};
    info.peer_id = id_of("-MU0100-", port + 100);
    info.fast = info.extensions = true;
    const LinkId link(static_cast<std::uint32_t>(50 + port % 2));
    engine_->on_connected(link, info, now_);
    wire::ExtensionHandshake hello;
    hello.listen_port = static_cast<std::uint16_t>(port);
    say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
  }
  pass(1s);
  const auto message = told(a);
  ASSERT_EQ(message.size(), 1u);
  EXPECT_EQ(message[0].added, (std::vector{Endpoint{IpAddress::v4({10, 0, 0, 51}), 9005}}));
}

TEST_F(ExtensionsTest, of_a_private_torrent_stock_clients_are_told_and_believed_nothing) {
  make_talking(true, false);
  const LinkId stock = connect(1, "-lt2080-");
  EXPECT_EQ(wire::decode_extension_handshake(out_.take<wire::Extended>(stock)[0].payload)->ut_pex,
            0);
  meet(2);
  const LinkId link = meet(3, "-lt2080-");
  pass(2s);
  EXPECT_TRUE(told(link).empty());
  tell(link, {host(1)});
  pass(2s);
  EXPECT_EQ(dialled_of({host(1)}), 0u);
}

TEST_F(ExtensionsTest, of_any_other_torrent_they_are_told_once_a_minute) {
  make_talking(false, false);
  const LinkId stock = meet(1, "-lt2080-");
  meet(2);
  pass(1s);
  EXPECT_EQ(told(stock).size(), 1u);
  meet(3);
  pass(50s);
  EXPECT_TRUE(told(stock).empty());
  pass(10s);
  EXPECT_EQ(told(stock).size(), 1u);
  tell(stock, {host(1)});
  pass(1s);
  EXPECT_EQ(dialled_of({host(1)}), 1u);
}

TEST_F(ExtensionsTest, peers_heard_of_are_dialled_when_the_tracker_is_silent) {
  make_talking(true);
  const LinkId a = meet(1);
  for (std::uint32_t n = 2; n <= few_enough; ++n) meet(n);
  std::vector<Endpoint> peers;
  for (int n = 0; n < 30; ++n) peers.push_back(host(n));
  tell(a, peers);
  pass(5s);
  EXPECT_EQ(dialled_of(peers), 0u) << "the tracker knows better";
  engine_->on_tracker_failed(now_);
  pass(300ms);
  EXPECT_EQ(dialled_of(peers), 10u - few_enough) << "as many as there should be, no more";
}

TEST_F(ExtensionsTest, peers_heard_of_are_dialled_when_there_is_hardly_a_link) {
  make_talking(true);
  const LinkId a = meet(1);
  std::vector<Endpoint> peers;
  for (int n = 0; n < 30; ++n) peers.push_back(host(n));
  tell(a, peers);
  pass(1s);
  EXPECT_EQ(dialled_of(peers), 2u);
}

TEST_F(ExtensionsTest, one_peer_cannot_make_us_dial_the_world) {
  make_talking(true, false);
  const LinkId a = meet(1);
  std::set<Endpoint> all;
  for (int minute = 0; minute < 100; ++minute) {
    std::vector<Endpoint> peers;
    for (int n = 0; n < 50; ++n) peers.push_back(host(minute * 50 + n));
    tell(a, peers);
    tell(a, peers);
    pass(60s);
    for (const Endpoint& endpoint : out_.dialled) {
      engine_->on_dial_failed(endpoint, now_);
      all.insert(endpoint);
    }
    out_.dialled.clear();
  }
  EXPECT_LE(all.size(), 100u);
  EXPECT_GE(all.size(), 50u);
}

TEST_F(ExtensionsTest, what_can_be_no_host_is_not_dialled) {
  make_talking(true, false);
  const LinkId a = meet(1);
  const std::vector<Endpoint> odd{
      *Endpoint::parse("127.0.0.1:22"), *Endpoint::parse("0.0.0.0:80"),
      *Endpoint::parse("224.0.0.1:80"), *Endpoint::parse("255.255.255.255:80"),
      *Endpoint::parse("[::1]:22"),     *Endpoint::parse("[ff02::1]:80")};
  tell(a, odd);
  pass(5s);
  EXPECT_EQ(dialled_of(odd), 0u);
}

TEST_F(ExtensionsTest, a_partial_seed_gives_what_it_has_and_waits_for_nothing) {
  make_talking(true);
  const LinkId link = connect(1, "-lt2080-");
  wire::ExtensionHandshake hello;
  hello.upload_only = true;
  say(link, wire::Extended{0, wire::encode_extension_handshake(hello)});
  Bitfield theirs(8);
  for (std::uint32_t piece = 0; piece < 7; ++piece) theirs.set(PieceIndex(piece));
  say(link, wire::Bitfield{theirs.to_wire()});
  EXPECT_FALSE(engine_->anyone_waiting());
  say(link, wire::Unchoke{});
  for (int i = 0; i < 8; ++i) {
    for (const auto& request : out_.take<wire::Request>(link)) deliver(link, request.block);
    verify_all();
  }
  EXPECT_EQ(engine_->have().count(), 7u);
  EXPECT_TRUE(out_.closed.empty()) << "it may get more";
  engine_->on_piece_fed(PieceIndex(7), now_);
  ASSERT_EQ(out_.closed.size(), 1u);
  EXPECT_EQ(out_.closed[0].second, "both have everything");
}

TEST_F(ExtensionsTest, who_has_everything_dials_nobody) {
  make_talking(true, false, true);
  const LinkId a = meet(1);
  tell(a, {host(1)});
  pass(5s);
  EXPECT_TRUE(out_.dialled.empty());
}

TEST_F(ExtensionsTest, peers_known_beforehand_are_dialled_again_and_again_while_there_is_nobody) {
  EngineConfig config;
  config.geometry = {8 * std::uint64_t{piece_bytes}, piece_bytes};
  config.self = id_of("-MU0100-", 0);
  config.peers = {host(1)};
  engine_.emplace(config, Bitfield(8), Random(1), out_);
  engine_->start(now_);
  EXPECT_EQ(out_.dialled.size(), 1u) << "at once";
  for (int second = 0; second < 600; ++second) {
    for (const Endpoint& endpoint : std::exchange(out_.dialled, {}))
      engine_->on_dial_failed(endpoint, now_);
    pass(1s);
  }
  std::size_t dials = 0;
  for (int second = 0; second < 60; ++second) {
    for (const Endpoint& endpoint : std::exchange(out_.dialled, {})) {
      ++dials;
      engine_->on_dial_failed(endpoint, now_);
    }
    pass(1s);
  }
  EXPECT_GE(dials, 2u);
}

}  // namespace
}  // namespace murder::swarm
