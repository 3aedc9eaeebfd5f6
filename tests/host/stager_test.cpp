#include "host/stager.hpp"

#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/random.hpp"
#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class StagerTest : public testing::Test {
 protected:
  fs::path dest() const { return temp_.path() / "app"; }
  fs::path release(const std::string& tag) const { return dest() / "releases" / tag; }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(StagerTest, unpacks_every_kind_of_entry) {
  stage(destination_, "v1", sample_pack("1"));
  EXPECT_EQ(names_in(dest() / "releases"), std::vector<std::string>{"v1"});
  EXPECT_EQ(names_in(release("v1")), (std::vector<std::string>{"bin", "empty", "etc", "latest"}));
  EXPECT_EQ(read_text(release("v1") / "etc/config"), "version = 1");
  EXPECT_EQ(read_text(release("v1") / "latest").size(), 9001u);
  EXPECT_EQ(read_text(release("v1") / "etc/nothing"), "");
  EXPECT_EQ(status_of(release("v1") / "bin/app-again").st_ino,
            status_of(release("v1") / "bin/app").st_ino);
  EXPECT_EQ(status_of(release("v1") / "bin/app").st_nlink, 2u);
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  ASSERT_EQ(read_journal(destination_).size(), 1u);
  EXPECT_EQ(read_journal(destination_)[0].action, "staged");
}

TEST_F(StagerTest, frames_may_come_in_any_order) {
  const TempFolder memory(TempFolder::Where::in_memory);
  const Destination destination =
      Destination::open(memory.path() / "app", Destination::Mode::create);
  Random random(7);
  for (int round = 0; round < 40; ++round) {
    PackBuilder builder;
    std::vector<std::string> folders = {""};
    for (int i = 0; i < 30; ++i) {
      const std::string path = folders[random.below(folders.size())] + "n" + std::to_string(i);
      const std::uint64_t kind = random.below(10);
      if (kind < 3) {
        builder.folder(path, 0700 | static_cast<std::uint32_t>(random.below(0100)));
        folders.push_back(path + "/");
      } else if (kind == 3) {
        builder.symlink(path, "../nowhere/" + std::to_string(i));
      } else {
        builder.file(path, noise(random.below(3000), random.next()),
                     0400 | static_cast<std::uint32_t>(random.below(0400)));
      }
    }
    const Pack pack = builder.build(512 * (1 + random.below(8)));
    std::vector<std::size_t> order(pack.frames.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    random.shuffle(order);
    const std::string tag = "round-" + std::to_string(round);
    stage(destination, tag, pack, order);
    EXPECT_EQ(drifts(destination, tag), no_drift) << tag;
  }
}

TEST_F(StagerTest, every_entry_gets_the_mtime_of_the_manifest) {
  for (const MtimePolicy policy : {MtimePolicy::from_digest, MtimePolicy::source}) {
    const Pack pack = PackBuilder()
                          .folder("a")
                          .mtime(1'500'000'000)
                          .file("a/small", "x")
                          .mtime(1'500'000'001)
                          .file("a/spans-frames", noise(5000, 1))
                          .mtime(1'500'000'002)
                          .file("empty", "")
                          .mtime(1'500'000'003)
                          .symlink("link", "a")
                          .mtime(1'500'000'004)
                          .build(1024, policy);
    const std::string tag = policy == MtimePolicy::source ? "source" : "digest";
    stage(destination_, tag, pack);
    for (const Entry& entry : pack.manifest.entries) {
      const struct stat st = status_of(release(tag) / entry.path);
      EXPECT_EQ(st.st_mtim.tv_sec, pack.manifest.mtime_of(entry)) << entry.path;
      EXPECT_EQ(st.st_mtim.tv_nsec, 0);
    }
    const std::int64_t root = status_of(release(tag)).st_mtim.tv_sec;
    EXPECT_EQ(root,
              policy == MtimePolicy::source ? 1'500'000'004 : pack.manifest.mtime_of(Entry{}));
  }
}

TEST_F(StagerTest, modes_do_not_depend_on_the_umask) {
  const Pack pack = PackBuilder()
                        .folder("open", 0777)
                        .file("open/all", "x", 0666)
                        .file("open/spans-frames-read-only", noise(5000, 1), 0444)
                        .file("none", "x", 0)
                        .folder("read-only", 0555)
                        .file("read-only/file", "x", 0755)
                        .folder("read-only/closed", 0)
                        .build(1024);
  for (const mode_t mask : {mode_t{0}, mode_t{077}}) {
    const std::string tag = "umask-" + std::to_string(mask);
    const mode_t before = ::umask(mask);
    stage(destination_, tag, pack);
    ::umask(before);
    for (const Entry& entry : pack.manifest.entries)
      EXPECT_EQ(status_of(release(tag) / entry.path).st_mode & 07777, entry.mode) << entry.path;
    EXPECT_EQ(status_of(release(tag)).st_mode & 07777, 0755u);
  }
}

TEST_F(StagerTest, an_ordinary_user_can_stage_folders_that_will_deny_them) {
  const Pack pack = PackBuilder()
                        .folder("closed", 0)
                        .folder("closed/inner", 0500)
                        .file("closed/inner/file", noise(5000, 1), 0400)
                        .symlink("closed/link", "inner")
                        .file("closed/unreadable", "x", 0)
                        .build(1024);
  give_to_ordinary_user(dest());
  for (const char* folder :
       {"releases", ".murder", ".murder/packs", ".murder/manifests", ".murder/transfers"})
    give_to_ordinary_user(dest() / folder);
  ::chmod(temp_.path().c_str(), 0755);
  EXPECT_EQ(in_child([&] {
              drop_privileges();
              const Destination own = Destination::open(dest(), Destination::Mode::create);
              stage(own, "v1", pack);
              // And what was left half-way is wiped although it denies its owner.
              fs::create_directories(release("v2.partial") / "closed/inner");
              ::chmod((release("v2.partial") / "closed").c_str(), 0);
              stage(own, "v2", pack);
            }),
            0);
  for (const char* tag : {"v1", "v2"}) {
    EXPECT_EQ(status_of(release(tag) / "closed").st_mode & 07777, 0u);
    if (::geteuid() == 0) {
      EXPECT_EQ(drifts(destination_, tag), no_drift);
    }
  }
}

TEST_F(StagerTest, long_runs_of_zeros_take_no_room) {
  constexpr std::size_t mebibyte = 1u << 20;
  std::string content(8 * mebibyte, '\0');
  content.replace(3 * mebibyte + 100, 5, "alone");
  const std::string zeros_in_noise =
      noise(300'000, 1) + std::string(8192, '\0') + noise(100'000, 2);
  const Pack pack = PackBuilder()
                        .file("all-zeros", std::string(2 * mebibyte + 77, '\0'))
                        .file("some-zeros", zeros_in_noise)
                        .file("sparse", content)
                        .build(mebibyte);
  std::vector<std::size_t> backwards(pack.frames.size());
  std::iota(backwards.rbegin(), backwards.rend(), std::size_t{0});
  stage(destination_, "v1", pack, backwards);
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  EXPECT_LE(status_of(release("v1") / "all-zeros").st_blocks, 16);
  EXPECT_LE(status_of(release("v1") / "sparse").st_blocks * 512, 128 * 1024);
  EXPECT_EQ(read_text(release("v1") / "sparse"), content);
  EXPECT_EQ(read_text(release("v1") / "some-zeros"), zeros_in_noise);
}

TEST_F(StagerTest, what_an_earlier_try_left_is_wiped) {
  write_text(release("v1.partial") / "bin/app", "older");
  write_text(release("v1.partial") / "left/behind", "x");
  fs::create_symlink("/etc", release("v1.partial") / "etc");
  stage(destination_, "v1", sample_pack("1"));
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(StagerTest, the_partial_release_is_closed_to_others) {
  const Pack pack = sample_pack("1");
  Stager stager(destination_, "v1", pack.manifest, {});
  EXPECT_EQ(stager.frame_count(), pack.frames.size());
  EXPECT_EQ(status_of(release("v1.partial")).st_mode & 07777, 0700u);
  EXPECT_FALSE(destination_.has_release("v1"));
}

TEST_F(StagerTest, staging_the_same_again_changes_nothing) {
  const Pack pack = sample_pack("1");
  stage(destination_, "v1", pack);
  const auto inode = status_of(release("v1")).st_ino;
  stage(destination_, "v1", pack);
  // The same tree in other frames is the same release.
  stage(destination_, "v1", sample_pack("1", 1024));
  EXPECT_EQ(status_of(release("v1")).st_ino, inode);
  EXPECT_EQ(names_in(dest() / "releases"), std::vector<std::string>{"v1"});
  EXPECT_EQ(read_journal(destination_).size(), 1u);
}

TEST_F(StagerTest, a_tag_never_gets_other_content) {
  stage(destination_, "v1", sample_pack("1"));
  const Pack other = sample_pack("2");
  expect_error(ErrorKind::usage, "is there already with other content",
               [&] { stage(destination_, "v1", other); });
  EXPECT_EQ(read_text(release("v1") / "etc/config"), "version = 1");
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);

  fs::create_directory(release("by-hand"));
  expect_error(ErrorKind::usage, "was not staged by murder",
               [&] { stage(destination_, "by-hand", other); });
  EXPECT_FALSE(is_there(release("v1.partial")));
}

TEST_F(StagerTest, tags_that_could_be_taken_for_something_else_are_refused) {
  for (const char* tag : {"", ".", "..", "a/b", "../v1", "v1.partial", "white space", "v1~"})
    expect_error(ErrorKind::usage, "bad tag",
                 [&] { Stager(destination_, tag, sample_pack("1").manifest, {}); });
  EXPECT_TRUE(names_in(dest() / "releases").empty());
}

TEST_F(StagerTest, nothing_is_a_release_while_a_frame_is_missing) {
  const Pack pack = sample_pack("1");
  Stager stager(destination_, "v1", pack.manifest, {});
  for (std::size_t i = 1; i < pack.frames.size(); ++i) stager.unpack(i, as_bytes(pack.frames[i]));
  expect_error(ErrorKind::failed, "1 of its", [&] { stager.finish(pack.stored_manifest()); });
  EXPECT_FALSE(destination_.has_release("v1"));
  stager.unpack(0, as_bytes(pack.frames[0]));
  EXPECT_THROW(stager.unpack(0, as_bytes(pack.frames[0])), std::logic_error);
  EXPECT_THROW(stager.unpack(pack.frames.size(), {}), std::logic_error);
  stager.finish(pack.stored_manifest());
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  EXPECT_THROW(stager.finish(pack.stored_manifest()), Error);
}

TEST_F(StagerTest, a_damaged_frame_is_refused_and_can_be_fetched_again) {
  const Pack pack = sample_pack("1");
  Stager stager(destination_, "v1", pack.manifest, {});
  for (std::size_t i = 0; i < pack.frames.size(); ++i) {
    std::string damaged = pack.frames[i];
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
    expect_error(ErrorKind::integrity, "", [&] { stager.unpack(i, as_bytes(damaged)); });
    stager.unpack(i, as_bytes(pack.frames[i]));
  }
  stager.finish(pack.stored_manifest());
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
}

TEST_F(StagerTest, few_descriptors_are_held_however_many_folders_there_are) {
  PackBuilder builder;
  std::string deep;
  for (int i = 0; i < 150; ++i) {
    builder.folder("f" + std::to_string(i)).file("f" + std::to_string(i) + "/x", "x");
    deep += (i == 0 ? "" : "/") + std::string("deep");
    builder.folder(deep).file(deep + "/x", noise(600, 1));
  }
  const Pack pack = builder.build();
  EXPECT_EQ(in_child([&] {
              const rlimit few{100, 100};
              ::setrlimit(RLIMIT_NOFILE, &few);
              stage(destination_, "v1", pack);
              require(verify_release(destination_, "v1").empty(), "it differs");
            }),
            0);
}

TEST_F(StagerTest, works_where_the_kernel_refuses_openat2) {
  const Pack pack = sample_pack("1");
  for (const unsigned refusal : {unsigned{ENOSYS}, unsigned{EPERM}}) {
    const std::string tag = "refused-" + std::to_string(refusal);
    EXPECT_EQ(in_child([&] {
                sock_filter filter[] = {
                    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal),
                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                };
                const sock_fprog program{4, filter};
                require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
                require(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
                stage(destination_, tag, pack);
                activate(destination_, tag);
              }),
              0);
    EXPECT_EQ(drifts(destination_, tag), no_drift);
    EXPECT_EQ(destination_.current_tag(), tag);
  }
}

TEST_F(StagerTest, an_owner_gets_everything) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: gives files to another user";
  stage(destination_, "v1", sample_pack("1"), {}, {"12345:23456"});
  std::size_t count = 0;
  for (const auto& item : fs::recursive_directory_iterator(dest() / "releases")) {
    const struct stat st = status_of(item.path());
    EXPECT_EQ(st.st_uid, 12345u) << item.path();
    EXPECT_EQ(st.st_gid, 23456u) << item.path();
    ++count;
  }
  EXPECT_EQ(count, 9u);
  EXPECT_EQ(drifts(destination_, "v1"), no_drift);
  EXPECT_EQ(status_of(dest() / "releases").st_uid, 0u);
}

TEST_F(StagerTest, an_owner_that_cannot_be_given_is_told_before_the_first_byte) {
  for (const char* folder :
       {"", "releases", ".murder", ".murder/packs", ".murder/manifests", ".murder/transfers"})
    give_to_ordinary_user(dest() / folder);
  ::chmod(temp_.path().c_str(), 0755);
  const Pack pack = sample_pack("1");
  EXPECT_EQ(in_child([&] {
              drop_privileges();
              const Destination own = Destination::open(dest(), Destination::Mode::create);
              try {
                const Stager stager(own, "v1", pack.manifest, {"1:1"});
              } catch (const Error& error) {
                require(
                    std::string_view(error.what()).find("run as root") != std::string_view::npos,
                    error.what());
                return;
              }
              require(false, "accepted");
            }),
            0);
  expect_error(ErrorKind::usage, "no user \"nobody-of-this-name\"", [&] {
    const Stager stager(destination_, "v1", pack.manifest, {"nobody-of-this-name"});
  });
}

}  // namespace
}  // namespace murder
