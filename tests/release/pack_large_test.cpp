// Sizes at which things break: files beyond 4 GiB, folders of 100,000 files.
#include "release/pack.hpp"
#include "release/support.hpp"

namespace murder::testing {
namespace {

TEST(LargePack, a_sparse_file_beyond_4_gib_comes_back_whole) {
  const TempDir dir(fast_place());
  const fs::path file = dir / "tree/disk.img";
  constexpr std::uint64_t size = (4ull << 30) + 12'345;
  put(file, "begin");
  fs::resize_file(file, size);
  {
    const UniqueFd fd = open_file(file, O_WRONLY);
    write_exactly_at(fd.get(), as_bytes("around the edge"), (4ull << 30) - 7, file);
    write_exactly_at(fd.get(), as_bytes("end"), size - 3, file);
  }
  put(dir / "tree/zz-after", "after");
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", {});
  EXPECT_EQ(result.manifest.entries.at(0).size, size);
  EXPECT_LT(result.pack_size, 10u << 20);
  EXPECT_EQ(read_pack(dir / "p.tar.zst").manifest, result.manifest);
  // tar reads both, all of it, and compares.
  const auto [status, output] =
      run(fmt::format("tar -df '{}' -C '{}' | grep -v -e 'Uid differs' -e 'Gid differs' -e 'Mod "
                      "time differs'",
                      (dir / "p.tar.zst").native(), (dir / "tree").native()));
  EXPECT_EQ(output, "");
}

TEST(LargePack, a_hundred_thousand_small_files_come_back) {
  const TempDir dir(fast_place());
  constexpr int folders = 100, each = 1000;
  for (int i = 0; i < folders; ++i) {
    const fs::path folder = dir / fmt::format("tree/{:03}", i);
    fs::create_directories(folder);
    const UniqueFd at = open_file(folder, O_RDONLY | O_DIRECTORY);
    for (int j = 0; j < each; ++j) {
      const std::string name = fmt::format("{:04}", j);
      const UniqueFd fd(
          ::openat(at.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
      ASSERT_TRUE(fd);
      write_exactly_at(fd.get(), as_bytes(fmt::format("{} {}", i, j)), 0, folder / name);
    }
  }
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", {});
  EXPECT_EQ(result.manifest.entries.size(), std::size_t{folders} * (each + 1));
  const OpenedPack opened = read_pack(dir / "p.tar.zst");
  EXPECT_EQ(opened.manifest, result.manifest);
  const auto [status, output] =
      run(fmt::format("tar -df '{}' -C '{}' | grep -v -e 'Uid differs' -e 'Gid differs' -e 'Mod "
                      "time differs' -e 'Mode differs'",
                      (dir / "p.tar.zst").native(), (dir / "tree").native()));
  EXPECT_EQ(output, "");
}

}  // namespace
}  // namespace murder::testing
