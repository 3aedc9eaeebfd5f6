// The files of another program's torrent as a release.
#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class StageFiles : public testing::Test {
 protected:
  void SetUp() override {
    add("bin/run", noise(100'000, 1), true);
    payload_ += std::string(5000, '\0');  // padding
    add("bin-dir/x", noise(10, 2));
    add("bin/deep/er/y", noise(300'000, 3) + std::string(1u << 20, '\0') + noise(5, 4));
    add("empty", "");
    add("last", noise(9u << 20, 5));
    write_text(payload(), payload_);
  }
  void add(const std::string& path, const std::string& content, bool executable = false) {
    files_.push_back({path, payload_.size(), content.size(), executable});
    contents_.push_back(content);
    payload_ += content;
  }
  void stage(const StageOptions& options = {}) {
    stage_files(destination_, "v1", files_, payload(), options);
  }
  fs::path payload() const { return temp_.path() / "payload"; }
  fs::path releases() const { return temp_.path() / "app/releases"; }

  TempFolder temp_;
  std::vector<RawFile> files_;
  std::vector<std::string> contents_;
  std::string payload_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(StageFiles, become_a_release_that_is_verified_like_any_other) {
  stage();
  for (std::size_t i = 0; i < files_.size(); ++i)
    EXPECT_EQ(read_text(releases() / "v1" / files_[i].path), contents_[i]) << files_[i].path;
  EXPECT_EQ(status_of(releases() / "v1/bin/run").st_mode & 07777, 0755u);
  EXPECT_EQ(status_of(releases() / "v1/last").st_mode & 07777, 0644u);
  EXPECT_EQ(status_of(releases() / "v1/bin/deep").st_mode & 07777, 0755u);
  EXPECT_EQ(status_of(releases() / "v1/bin").st_mtim.tv_sec,
            status_of(releases() / "v1/last").st_mtim.tv_sec);
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  write_text(releases() / "v1/bin/run", "changed");
  EXPECT_EQ(drifts(destination_, "v1"), (std::vector<std::string>{"content bin/run"}));
}

TEST_F(StageFiles, again_are_left_as_they_are_and_others_are_refused) {
  stage();
  const auto inode = status_of(releases() / "v1/last").st_ino;
  stage();
  EXPECT_EQ(status_of(releases() / "v1/last").st_ino, inode);
  payload_[10] ^= 1;
  write_text(payload(), payload_);
  expect_error(ErrorKind::usage, "with other content", [&] { stage(); });
}

TEST_F(StageFiles, given_up_in_the_middle_are_no_release_and_begun_anew) {
  struct GivenUp {};
  int parts = 0;
  const StageOptions options{"", [&] {
                               if (++parts == 4) throw GivenUp{};
                             }};
  EXPECT_THROW(stage(options), GivenUp);
  EXPECT_EQ(names_in(releases()), std::vector<std::string>{"v1.partial"});
  stage();
  EXPECT_EQ(names_in(releases()), std::vector<std::string>{"v1"});
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(StageFiles, that_lead_out_of_the_release_are_refused) {
  for (const char* path : {"../x", "/x", "a/../../x", "", "a//b"}) {
    files_.front().path = path;
    expect_error(ErrorKind::integrity, "leads out of the release", [&] { stage(); });
  }
  files_.front().path = "last/x";
  expect_error(ErrorKind::integrity, "last", [&] { stage(); });
  files_.front().path = "last";
  expect_error(ErrorKind::integrity, "named twice", [&] { stage(); });
}

TEST_F(StageFiles, out_of_a_payload_that_was_cut_short_are_no_release) {
  fs::resize_file(payload(), payload_.size() - 1);
  expect_error(ErrorKind::failed, "became shorter", [&] { stage(); });
  EXPECT_FALSE(destination_.has_release("v1"));
}

}  // namespace
}  // namespace murder
