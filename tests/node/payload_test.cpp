#include "node/payload.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "node/torrent_maker.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t piece_bytes = 16 * 1024;

class PayloadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "murder-payload-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    data_.resize(5 * piece_bytes + 100);
    for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = static_cast<char>(i * 31 >> 3);
    std::ofstream(folder_ / "whole", std::ios::binary) << data_;
    metainfo_.length = data_.size();
    metainfo_.piece_length = piece_bytes;
    hash_pieces(folder_ / "whole", metainfo_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  bool verify(Payload& payload, std::uint32_t piece) {
    boost::asio::io_context io;
    boost::asio::thread_pool pool(1);
    std::optional<bool> result;
    payload.verify(PieceIndex(piece), pool, io, [&](bool matches, const std::exception_ptr& error) {
      EXPECT_FALSE(error);
      result = matches;
    });
    pool.join();
    io.run();
    return result.value_or(false);
  }
  void fill(Payload& payload, std::uint32_t piece) {
    const auto buffer = payload.buffer(PieceIndex(piece));
    std::copy_n(data_.begin() + piece * piece_bytes, buffer->size(), buffer->begin());
  }

  fs::path folder_;
  std::string data_;
  Metainfo metainfo_;
};

TEST_F(PayloadTest, room_is_taken_as_was_asked) {
  const auto at_first = [&](Allocation allocation) {
    const fs::path path = folder_ / "to-come";
    fs::remove(path);
    const Payload payload(metainfo_, path, Payload::Access::read_write, allocation);
    struct stat file {};
    EXPECT_EQ(::stat(path.c_str(), &file), 0);
    return std::pair(static_cast<std::uint64_t>(file.st_size),
                     static_cast<std::uint64_t>(file.st_blocks) * 512);
  };
  EXPECT_EQ(at_first(Allocation::none), std::pair(std::uint64_t{0}, std::uint64_t{0}));
  EXPECT_EQ(at_first(Allocation::sparse), std::pair(metainfo_.length, std::uint64_t{0}));
  const auto [length, room] = at_first(Allocation::full);
  EXPECT_EQ(length, metainfo_.length);
  EXPECT_GE(room, metainfo_.length);
}

TEST_F(PayloadTest, without_allocation_the_file_grows_to_its_length_and_no_longer) {
  const fs::path path = folder_ / "to-come";
  std::ofstream(path) << std::string(data_.size() + 1000, 'x');
  Payload payload(metainfo_, path, Payload::Access::read_write, Allocation::none);
  EXPECT_EQ(fs::file_size(path), data_.size()) << "what is too long was cut";
  fs::resize_file(path, 0);
  for (const std::uint32_t piece : {1u, 5u}) {
    fill(payload, piece);
    EXPECT_TRUE(verify(payload, piece));
  }
  EXPECT_EQ(fs::file_size(path), data_.size());
  EXPECT_EQ(find_pieces(metainfo_, payload).count(), 2u);
}

TEST_F(PayloadTest, ways_to_take_room_have_names) {
  EXPECT_EQ(parse_allocation("none"), Allocation::none);
  EXPECT_EQ(parse_allocation("sparse"), Allocation::sparse);
  EXPECT_EQ(parse_allocation("full"), Allocation::full);
  EXPECT_THROW(parse_allocation("falloc"), Error);
}

TEST_F(PayloadTest, what_is_there_is_found_and_what_is_wrong_is_not) {
  {
    std::fstream file(folder_ / "whole", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2 * piece_bytes + 5);
    file.put('!').put('?');
  }
  const Payload payload(metainfo_, folder_ / "whole", Payload::Access::read);
  const swarm::Bitfield found = find_pieces(metainfo_, payload);
  EXPECT_EQ(found.count(), 5u);
  EXPECT_FALSE(found.test(PieceIndex(2)));
}

TEST_F(PayloadTest, a_file_cut_short_has_fewer_pieces) {
  fs::resize_file(folder_ / "whole", 3 * piece_bytes + 1);
  const Payload payload(metainfo_, folder_ / "whole", Payload::Access::read_write,
                        Allocation::none);
  EXPECT_EQ(find_pieces(metainfo_, payload).count(), 3u);
}

TEST_F(PayloadTest, a_payload_of_another_size_is_refused) {
  fs::resize_file(folder_ / "whole", 10);
  EXPECT_THROW(Payload(metainfo_, folder_ / "whole", Payload::Access::read), Error);
}

TEST_F(PayloadTest, only_a_piece_that_matches_is_written) {
  Payload payload(metainfo_, folder_ / "new", Payload::Access::read_write);
  fill(payload, 1);
  EXPECT_TRUE(verify(payload, 1));
  fill(payload, 5);
  EXPECT_TRUE(verify(payload, 5)) << "the short last one";
  fill(payload, 2);
  payload.buffer(PieceIndex(2))->at(7) ^= 1;
  EXPECT_FALSE(verify(payload, 2));
  EXPECT_EQ(payload.buffered_pieces(), 0u);
  const swarm::Bitfield found = find_pieces(metainfo_, payload);
  EXPECT_EQ(found.count(), 2u);
}

TEST_F(PayloadTest, late_bytes_do_not_touch_a_piece_that_was_detached) {
  Payload payload(metainfo_, folder_ / "new", Payload::Access::read_write);
  const Payload::Buffer late = payload.buffer(PieceIndex(0));
  fill(payload, 0);
  payload.detach(PieceIndex(0));
  std::fill(late->begin(), late->end(), std::uint8_t{0xff});
  EXPECT_TRUE(verify(payload, 0));
}

}  // namespace
}  // namespace murder::node
