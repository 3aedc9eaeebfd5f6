// The owner of a PeerConnection in tests: writes down what happens, and fails the test when
// anything comes after the end or from inside a call that must not call back.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "net/peer_connection.hpp"
#include "net/upload_turns.hpp"

namespace murder::net::test {

/// Random bytes in a file without a name. A block lies at its `begin`, whatever its piece.
class Payload {
 public:
  explicit Payload(std::size_t size, std::uint64_t seed = 1)
      : bytes_(size, '\0'), file_(::memfd_create("payload", MFD_CLOEXEC)) {
    Random random(seed);
    for (std::size_t i = 0; i < size; i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random.next();
      std::memcpy(bytes_.data() + i, &word, std::min(sizeof word, size - i));
    }
    write_exactly_at(file_.get(), as_bytes(bytes_), 0, "payload");
  }
  OutgoingBlock block(std::uint32_t piece, std::uint32_t begin, std::uint32_t length) const {
    return {{PieceIndex(piece), begin, length}, file_.get(), begin};
  }
  /// The same from memory.
  OutgoingBlock block_in_memory(std::uint32_t piece, std::uint32_t begin,
                                std::uint32_t length) const {
    const auto bytes = std::make_shared<const std::string>(bytes_.substr(begin, length));
    return {.block = {PieceIndex(piece), begin, length}, .bytes = bytes};
  }
  std::string_view bytes(const wire::Block& block) const {
    return std::string_view(bytes_).substr(block.begin, block.length);
  }

 private:
  std::string bytes_;
  UniqueFd file_;
};

inline wire::Handshake handshake_of(std::uint8_t peer) {
  wire::Handshake handshake;
  handshake.fast = true;
  handshake.extensions = true;
  handshake.info_hash.bytes.fill(0x5a);
  handshake.peer_id.bytes.fill(peer);
  return handshake;
}

inline std::string encoded(const wire::Message& message) {
  std::string bytes;
  wire::append(bytes, message);
  return bytes;
}

enum class Event { handshake, message, block_begin, progress, block_end, next_block, block_sent };

class RecordingOwner final : public PeerConnection::Owner {
 public:
  /// Makes a connection of the socket and starts it.
  void attach(boost::asio::ip::tcp::socket socket,
              Duration handshake_timeout = std::chrono::seconds(10)) {
    auto turns = std::make_shared<UploadTurns>(
        static_cast<boost::asio::io_context&>(socket.get_executor().context()));
    connection = PeerConnection::create(std::move(socket), *this, limits, std::move(turns),
                                        handshake_timeout);
    connection->start();
  }
  void upload(const OutgoingBlock& block) {
    uploads.push_back(block);
    quietly([&] { connection->wake_upload(); });
  }
  /// Does something from inside which nothing may be called back.
  void quietly(const std::function<void()>& act) {
    const bool before = std::exchange(must_be_quiet, true);
    act();
    must_be_quiet = before;
  }
  bool closed() const { return closed_count > 0; }
  std::string_view received(const wire::Block& block) const {
    const auto found = data.find(block);
    if (found == data.end()) return {};
    return {reinterpret_cast<const char*>(found->second.data()), found->second.size()};
  }

  std::shared_ptr<PeerConnection> connection;
  wire::Limits limits;
  std::vector<wire::Handshake> handshakes;
  std::vector<wire::Message> messages;
  std::vector<wire::Block> begun;
  std::vector<wire::Block> ended;
  std::vector<wire::Block> sent;
  std::vector<std::size_t> blocks_before;  ///< for each message: blocks that had come whole
  std::map<wire::Block, std::vector<std::uint8_t>> data;
  std::uint64_t progress = 0;  ///< bytes, in all
  std::size_t asked = 0;       ///< blocks that next_block() has given away
  std::deque<OutgoingBlock> uploads;
  std::string close_reason;
  int closed_count = 0;

  bool discard = false;             ///< wants no block's data
  bool over = false;                ///< has abandoned or dropped the connection
  bool must_be_quiet = false;       ///< see quietly()
  std::function<void(Event)> hook;  ///< comes last in each callback, so it may destroy the owner

  void on_handshake(const wire::Handshake& handshake) override {
    expect_callable();
    handshakes.push_back(handshake);
    tell(Event::handshake);
  }
  void on_message(const wire::Message& message) override {
    expect_callable();
    messages.push_back(message);
    blocks_before.push_back(ended.size());
    tell(Event::message);
  }
  std::span<std::uint8_t> on_block_begin(const wire::Block& block) override {
    expect_callable();
    begun.push_back(block);
    std::span<std::uint8_t> place;
    if (!discard) {
      auto& memory = data[block];
      memory.assign(block.length, 0);
      place = memory;
    }
    tell(Event::block_begin);
    return place;
  }
  void on_block_progress(std::uint32_t bytes) override {
    expect_callable();
    EXPECT_GT(bytes, 0u);
    progress += bytes;
    tell(Event::progress);
  }
  void on_block_end(const wire::Block& block) override {
    expect_callable();
    ASSERT_FALSE(begun.empty());
    EXPECT_EQ(begun.back(), block);
    ended.push_back(block);
    tell(Event::block_end);
  }
  std::optional<OutgoingBlock> next_block() override {
    expect_callable();
    std::optional<OutgoingBlock> next;
    if (!uploads.empty()) {
      next = uploads.front();
      uploads.pop_front();
      ++asked;
    }
    tell(Event::next_block);
    return next;
  }
  void on_block_sent(const wire::Block& block) override {
    expect_callable();
    sent.push_back(block);
    tell(Event::block_sent);
  }
  void on_closed(const std::string& reason) override {
    EXPECT_FALSE(over) << "on_closed after abandon()";
    EXPECT_FALSE(must_be_quiet) << "on_closed from inside another call";
    close_reason = reason;
    ++closed_count;
  }

 private:
  void expect_callable() const {
    EXPECT_EQ(closed_count, 0) << "a callback after on_closed";
    EXPECT_FALSE(over) << "a callback after abandon() or close()";
    EXPECT_FALSE(must_be_quiet) << "a callback from inside another call";
  }
  void tell(Event event) {
    if (!hook) return;
    const auto call = hook;  // the hook may destroy this owner
    call(event);
  }
};

}  // namespace murder::net::test
