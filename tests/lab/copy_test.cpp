// Time is only ever held against bounds that no busy machine can break: shaping may not be faster
// than the link, and a copy may not hang.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "lab/delay_relay.hpp"
#include "lab/support.hpp"

namespace murder {
namespace {

using namespace lab_test;
using lab::Lab;

const Rate fifty_mbit{50e6 / 8};

TEST(PlainCopy, empty_file_has_an_end_too) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 2});
  EXPECT_GT(lab::plain_copy(*lab, 0, 1, scratch.file_of(0)), Duration::zero());
}

TEST(PlainCopy, nobody_to_copy_to_takes_no_time) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 1});
  EXPECT_EQ(lab::fan_out_copy(*lab, 0, {}, scratch.file_of(1_MiB)), Duration::zero());
}

TEST(PlainCopy, works_without_namespaces) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 4});
  const auto file = scratch.file_of(8_MiB + 1);
  EXPECT_GT(lab::plain_copy(*lab, 0, 3, file), Duration::zero());
  EXPECT_GT(lab::fan_out_copy(*lab, 1, {0, 2, 3}, file), Duration::zero());
}

TEST(PlainCopy, ends_at_its_limit_and_says_how_far_it_came) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 2});
  try {
    lab::plain_copy(*lab, 0, 1, scratch.file_of(8192_GiB), std::chrono::milliseconds(100));
    FAIL() << "eight terabytes in a tenth of a second";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("from host 0: not done in time: host 1 has"),
              std::string::npos)
        << error.what();
  }
}

TEST(ChainCopy, every_host_passes_on_while_it_receives) {
  SKIP_WITHOUT_NAMESPACES();
  const ScratchFolder scratch;
  const auto lab = Lab::with_namespaces({.hosts = 4, .link = lab::Link{fifty_mbit, fifty_mbit}});
  const auto file = scratch.file_of(4_MiB);
  const std::vector<Duration> taken = lab::chain_copy(*lab, {0, 1, 2, 3}, file);
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_GE(lab->bytes_sent(2), 4_MiB);
  EXPECT_LT(lab->bytes_sent(0), 6_MiB) << "one copy leaves the source";
  // One after the other would be three times as long.
  EXPECT_LT(taken[2], 2 * taken[0]);
}

TEST(ChainCopy, short_ones_and_the_limit) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 3});
  EXPECT_TRUE(lab::chain_copy(*lab, {0}, scratch.file_of(1_MiB)).empty());
  EXPECT_EQ(lab::chain_copy(*lab, {0, 1, 2}, scratch.file_of(1_MiB + 1)).size(), 2u);
  EXPECT_THROW(
      lab::chain_copy(*lab, {0, 1, 2}, scratch.file_of(8192_GiB), std::chrono::milliseconds(100)),
      Error);
}

/// Cuts the file as soon as the copy, which knows its size by then, goes to a host.
class CuttingLab final : public Lab {
 public:
  CuttingLab(Lab& lab, std::filesystem::path file) : lab_(lab), file_(std::move(file)) {}
  bool has_shaped_links() const override { return lab_.has_shaped_links(); }
  std::size_t host_count() const override { return lab_.host_count(); }
  IpAddress address(std::size_t host) const override { return lab_.address(host); }
  lab::Process spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                     int stderr_fd) override {
    return lab_.spawn(host, argv, stdout_fd, stderr_fd);
  }
  void on_host(std::size_t host, const std::function<void()>& work) override {
    std::filesystem::resize_file(file_, 1);
    lab_.on_host(host, work);
  }
  std::uint64_t bytes_sent(std::size_t host) const override { return lab_.bytes_sent(host); }
  void unplug(std::size_t host) override { lab_.unplug(host); }
  void plug_in(std::size_t host) override { lab_.plug_in(host); }
  std::optional<lab::RelayStats> relay_stats() const override { return lab_.relay_stats(); }
  void set_link(std::size_t host, const lab::Link& link) override { lab_.set_link(host, link); }

 private:
  Lab& lab_;
  std::filesystem::path file_;
};

TEST(PlainCopy, file_that_shrinks_is_an_error_and_no_endless_wait) {
  const ScratchFolder scratch;
  const auto lab = Lab::on_loopback({.hosts = 2});
  const auto file = scratch.file_of(1_MiB);
  CuttingLab cutting(*lab, file);
  try {
    lab::plain_copy(cutting, 0, 1, file);
    FAIL() << "it was copied whole";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the file became shorter"), std::string::npos)
        << error.what();
  }
}

TEST(PlainCopy, missing_file_is_named) {
  const auto lab = Lab::on_loopback({.hosts = 2});
  EXPECT_THROW(lab::plain_copy(*lab, 0, 1, "/no/such/file"), Error);
}

TEST(ShapedCopy, is_not_faster_than_the_link) {
  SKIP_WITHOUT_NAMESPACES();
  const ScratchFolder scratch;
  const auto lab = Lab::with_namespaces({.hosts = 2, .link = lab::Link{fifty_mbit, fifty_mbit}});
  const std::uint64_t size = 8_MiB;
  const double ideal = static_cast<double>(size) / fifty_mbit.bytes_per_second;
  const double taken = to_seconds(lab::plain_copy(*lab, 0, 1, scratch.file_of(size)));
  EXPECT_GT(taken, 0.9 * ideal);
  EXPECT_LT(taken, 10 * ideal);
  EXPECT_GE(lab->bytes_sent(0), size);
  EXPECT_LT(lab->bytes_sent(1), size / 4) << "acknowledgements only";
}

TEST(ShapedCopy, fan_out_shares_the_senders_uplink) {
  SKIP_WITHOUT_NAMESPACES();
  const ScratchFolder scratch;
  const auto lab = Lab::with_namespaces({.hosts = 4, .link = lab::Link{fifty_mbit, fifty_mbit}});
  const std::uint64_t size = 2_MiB;
  const double ideal = 3 * static_cast<double>(size) / fifty_mbit.bytes_per_second;
  const double taken = to_seconds(lab::fan_out_copy(*lab, 2, {0, 1, 3}, scratch.file_of(size)));
  EXPECT_GT(taken, 0.9 * ideal);
  EXPECT_LT(taken, 10 * ideal);
}

TEST(ShapedCopy, each_direction_has_its_own_rate_and_can_be_changed) {
  SKIP_WITHOUT_NAMESPACES();
  const ScratchFolder scratch;
  const auto lab = Lab::with_namespaces({.hosts = 2});
  EXPECT_FALSE(lab->has_shaped_links());
  const Rate slow{16e6 / 8};
  const Rate fast{2e9 / 8};
  const std::uint64_t size = 2_MiB;
  const auto file = scratch.file_of(size);
  const double ideal = static_cast<double>(size) / slow.bytes_per_second;

  lab->set_link(0, {.up = slow, .down = fast});
  EXPECT_TRUE(lab->has_shaped_links());
  EXPECT_GT(to_seconds(lab::plain_copy(*lab, 0, 1, file)), 0.9 * ideal) << "up";
  lab->set_link(0, {.up = fast, .down = slow});
  EXPECT_GT(to_seconds(lab::plain_copy(*lab, 1, 0, file)), 0.9 * ideal) << "down";
}

}  // namespace
}  // namespace murder
