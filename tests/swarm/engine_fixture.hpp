// One engine and the scripted world around it, for the tests of swarm::Engine.
#pragma once

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "swarm/engine.hpp"

namespace murder::swarm {

inline constexpr std::uint32_t piece_bytes = 32 * 1024;

inline PeerId id_of(const char* prefix, int n) {
  std::string id = prefix;
  id += std::to_string(n);
  id.resize(20, 'x');
  return *PeerId::from_bytes(id);
}

struct Recorder : Driver {
  std::vector<std::pair<LinkId, wire::Message>> sent;
  std::vector<PieceIndex> to_verify;
  std::vector<std::pair<LinkId, std::string>> closed;
  std::vector<Endpoint> dialled;
  std::vector<AnnounceEvent> announced;
  std::vector<std::pair<LinkId, PieceIndex>> detached;
  std::vector<PieceIndex> forgotten;
  std::vector<std::string> bans;
  std::vector<LinkId> woken;
  std::vector<WebFetch> fetched;
  std::map<LinkId, std::uint32_t> ranks;

  void send(LinkId link, const wire::Message& message) override {
    sent.emplace_back(link, message);
  }
  void wake_upload(LinkId link) override { woken.push_back(link); }
  void rank_upload(LinkId link, std::uint32_t rank) override { ranks[link] = rank; }
  void dial(const Endpoint& endpoint) override { dialled.push_back(endpoint); }
  void announce(const std::string&, AnnounceEvent event) override { announced.push_back(event); }
  void close(LinkId link, const std::string& reason) override { closed.emplace_back(link, reason); }
  void verify(PieceIndex piece) override { to_verify.push_back(piece); }
  void detach(LinkId link, PieceIndex piece) override { detached.emplace_back(link, piece); }
  void forget(PieceIndex piece) override { forgotten.push_back(piece); }
  Duration round_trip(LinkId) const override { return std::chrono::milliseconds(1); }
  void fetch(const WebFetch& fetch) override { fetched.push_back(fetch); }
  void banned(const Endpoint&, const std::string& reason) override { bans.push_back(reason); }

  template <class Message>
  std::vector<Message> take(LinkId link) {
    std::vector<Message> messages;
    std::erase_if(sent, [&](const auto& s) {
      if (s.first != link || !std::holds_alternative<Message>(s.second)) return false;
      messages.push_back(std::get<Message>(s.second));
      return true;
    });
    return messages;
  }
};

class EngineTest : public testing::Test {
 protected:
  Recorder out_;
  std::optional<Engine> engine_;
  Instant now_{std::chrono::hours(1)};

  void make(std::uint32_t pieces, bool seeder) {
    Bitfield have(pieces);
    if (seeder) have.set_all();
    make(seeder, have);
  }
  void make(bool seeder, const Bitfield& have) {
    EngineConfig config;
    config.geometry = {std::uint64_t{have.size()} * piece_bytes, piece_bytes};
    config.self = id_of("-MU0100-", 0);
    config.seeder = seeder;
    config.trackers = {"t"};
    engine_.emplace(config, have, Random(1), out_);
    engine_->start(now_);
  }
  LinkId connect(std::uint32_t n, const char* prefix = "-MU0100-", bool fast = true) {
    LinkInfo info;
    info.remote = {IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(n)}), 8999};
    info.peer_id = id_of(prefix, static_cast<int>(n));
    info.fast = fast;
    info.extensions = fast;
    info.outgoing = true;
    engine_->on_connected(LinkId(n), info, now_);
    return LinkId(n);
  }
  void say(LinkId link, const wire::Message& message) { engine_->on_message(link, message, now_); }
  /// The peer answers a request with its data.
  void deliver(LinkId link, const wire::Block& block) {
    engine_->on_block_begin(link, block, now_);
    engine_->on_block_progress(link, block.length, now_);
    engine_->on_block_end(link, block, now_);
  }
  /// The peer asks for a piece and gets it.
  void send_to(LinkId link, std::uint32_t piece) {
    const wire::Block block{PieceIndex(piece), 0, piece_bytes};
    say(link, wire::Request{block});
    EXPECT_EQ(engine_->next_block(link, now_), block);
    engine_->on_block_sent(link, block, now_);
  }
  /// What it has been told since the last time that it can have.
  std::vector<std::uint32_t> shown(LinkId link) {
    std::vector<std::uint32_t> pieces;
    for (const auto& have : out_.take<wire::Have>(link)) pieces.push_back(have.piece.value());
    return pieces;
  }
  void verify_all(bool matches = true) {
    for (const PieceIndex piece : std::exchange(out_.to_verify, {}))
      engine_->on_piece_verified(piece, matches, now_);
  }
  void pass(Duration time) {
    const Instant end = now_ + time;
    while (now_ < end) {
      now_ = std::min(end, std::max(engine_->next_tick(now_), now_ + std::chrono::milliseconds(1)));
      engine_->tick(now_);
    }
  }
};

}  // namespace murder::swarm
