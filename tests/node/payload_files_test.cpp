// A payload that lies in several files: the same bytes as if it were one.
#include "node/payload_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/temp_dir.hpp"
#include "node/payload.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;
using murder::test::TempDir;

constexpr std::uint32_t piece_bytes = 16 * 1024;

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& item : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class PayloadFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    metainfo_.name = "site";
    metainfo_.piece_length = piece_bytes;
    add("empty-first", 0);
    add("bin/run", 40'000, true);
    add(".pad/1", 9152, false, true);
    for (int i = 0; i < 300; ++i) add("many/f" + std::to_string(i), 10);
    add("empty", 0);
    add("deep/er/down/last", piece_bytes * 2);
    add("empty-last", 0);
    metainfo_.length = data_.size();
    for (std::uint64_t at = 0; at < data_.size(); at += piece_bytes)
      metainfo_.piece_sha1.push_back(sha1(std::string_view(data_).substr(at, piece_bytes)));
  }

  void add(const std::string& path, std::size_t length, bool executable = false,
           bool padding = false) {
    metainfo_.files.push_back({path, length, data_.size(), padding, executable});
    std::string content(length, '\0');
    if (!padding)
      for (char& c : content) c = static_cast<char>(++seed_ * 2654435761u >> 13);
    data_ += content;
    if (padding) return;
    fs::create_directories((whole() / path).parent_path());
    std::ofstream(whole() / path, std::ios::binary) << content;
  }

  fs::path whole() const { return temp_.path() / "whole"; }
  std::string part(std::uint64_t offset, std::size_t length) const {
    return data_.substr(offset, length);
  }
  static std::string read(PayloadFiles& files, std::uint64_t offset, std::size_t length) {
    std::string out(length, '?');
    EXPECT_TRUE(files.read({reinterpret_cast<std::uint8_t*>(out.data()), length}, offset));
    return out;
  }
  std::string refusal() const {
    try {
      const PayloadFiles files(metainfo_, whole());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::integrity);
      return error.what();
    }
    return "";
  }

  TempDir temp_;
  Metainfo metainfo_;
  std::string data_;
  std::uint32_t seed_ = 0;
};

TEST_F(PayloadFilesTest, reads_as_if_it_were_one_file) {
  PayloadFiles files(metainfo_, whole());
  EXPECT_EQ(read(files, 0, data_.size()), data_);
  for (const std::uint64_t offset : {0u, 39'999u, 40'000u, 49'151u, 49'152u, 49'161u, 52'151u})
    for (const std::size_t length : {1u, 2u, 11u, 5000u})
      EXPECT_EQ(read(files, offset, length), part(offset, length)) << offset << " " << length;
  const Payload payload(metainfo_, whole(), Payload::Access::read);
  EXPECT_TRUE(find_pieces(metainfo_, payload).all());
}

TEST_F(PayloadFilesTest, few_are_open_however_many_there_are) {
  PayloadFiles files(metainfo_, whole());
  const std::size_t before = open_descriptors();
  read(files, 0, data_.size());
  EXPECT_LE(open_descriptors(), before + 64);
}

TEST_F(PayloadFilesTest, a_block_in_one_file_is_sent_from_it_and_others_from_memory) {
  const Payload payload(metainfo_, whole(), Payload::Access::read);
  const auto inside = payload.outgoing({PieceIndex(1), 16, 20'000 - piece_bytes});
  EXPECT_FALSE(inside.bytes);
  EXPECT_EQ(inside.file_offset, piece_bytes + 16u);
  const auto across = payload.outgoing({PieceIndex(2), 0, piece_bytes});
  ASSERT_TRUE(across.bytes);
  EXPECT_EQ(*across.bytes, part(2 * piece_bytes, piece_bytes));
}

TEST_F(PayloadFilesTest, a_file_that_is_being_sent_stays_open) {
  const Payload payload(metainfo_, whole(), Payload::Access::read);
  const auto block = payload.outgoing({PieceIndex(0), 0, 100});
  std::vector<std::uint8_t> all(data_.size());
  payload.read(all, 0);  // opens more than may stay
  std::string bytes(100, '\0');
  EXPECT_EQ(::pread(block.fd, bytes.data(), bytes.size(), 0), 100);
  EXPECT_EQ(bytes, part(0, 100));
}

TEST_F(PayloadFilesTest, what_is_missing_or_of_another_length_is_named) {
  fs::resize_file(whole() / "many/f7", 11);
  EXPECT_NE(refusal().find("many/f7 has 11 bytes, not 10"), std::string::npos) << refusal();
  fs::remove(whole() / "many/f7");
  EXPECT_NE(refusal().find("many/f7 is missing"), std::string::npos) << refusal();
  fs::create_directory(whole() / "many/f7");
  EXPECT_NE(refusal().find("many/f7 is no regular file"), std::string::npos) << refusal();
}

TEST_F(PayloadFilesTest, a_file_that_shrinks_while_it_is_served_is_an_error_and_no_other_data) {
  const Payload payload(metainfo_, whole(), Payload::Access::read);
  fs::resize_file(whole() / "many/f9", 3);
  EXPECT_THROW(payload.outgoing({PieceIndex(3), 0, piece_bytes}), Error);
}

TEST_F(PayloadFilesTest, pieces_are_written_where_they_belong) {
  const fs::path to = temp_.path() / "new";
  fs::create_directory(to);
  {
    Payload payload(metainfo_, to, Payload::Access::read_write);
    EXPECT_TRUE(fs::exists(to / "empty"));
    EXPECT_FALSE(fs::exists(to / ".pad"));
    EXPECT_EQ(fs::file_size(to / "bin/run"), 40'000u);
    EXPECT_NE(fs::status(to / "bin/run").permissions() & fs::perms::owner_exec, fs::perms::none);
    EXPECT_EQ(fs::status(to / "many/f1").permissions() & fs::perms::owner_exec, fs::perms::none);
    PayloadFiles files(metainfo_, to, Allocation::sparse);
    files.write(data_, 0);
    EXPECT_TRUE(find_pieces(metainfo_, payload).all());
  }
  for (const TorrentFile& file : metainfo_.files) {
    if (file.is_padding) continue;
    std::ifstream in(to / file.path, std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), part(file.offset, file.length));
  }
  EXPECT_EQ(stranger_among(metainfo_, to), std::nullopt);
  std::ofstream(to / "many/else") << "x";
  EXPECT_EQ(stranger_among(metainfo_, to), to / "many/else");
}

TEST_F(PayloadFilesTest, nothing_is_written_through_a_symlink) {
  const fs::path to = temp_.path() / "new";
  const fs::path elsewhere = temp_.path() / "elsewhere";
  for (const bool is_folder : {true, false}) {
    fs::remove_all(to);
    fs::create_directories(elsewhere);
    fs::create_directory(to);
    if (is_folder)
      fs::create_directory_symlink(elsewhere, to / "many");
    else
      fs::create_symlink(elsewhere / "victim", to / "empty");
    EXPECT_THROW(PayloadFiles(metainfo_, to, Allocation::sparse), Error);
    EXPECT_TRUE(fs::is_empty(elsewhere));
  }
}

}  // namespace
}  // namespace murder::node
