// A tree through the real packer and back: what stands in releases/TAG is what was packed.
#include "host/support.hpp"
#include "release/pack.hpp"

namespace murder {
namespace {

using namespace test;

/// Everything that a release keeps of a tree: "PATH MODE KIND content".
std::vector<std::string> describe(const fs::path& tree) {
  std::vector<std::string> lines;
  for (const auto& item : fs::recursive_directory_iterator(tree)) {
    const struct stat st = status_of(item.path());
    std::string line = item.path().lexically_relative(tree).native() + " ";
    if (S_ISLNK(st.st_mode))
      line += "-> " + fs::read_symlink(item.path()).native();
    else
      line += std::to_string(st.st_mode & 07777);
    if (S_ISREG(st.st_mode)) line += " " + sha256(read_text(item.path())).hex();
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(PackToRelease, gives_back_the_tree_that_was_packed) {
  const TempFolder temp;
  const fs::path source = temp.path() / "source";
  for (int i = 0; i < 300; ++i)
    write_text(source / std::to_string(i % 7) / std::to_string(i % 11) / std::to_string(i),
               noise(static_cast<std::size_t>(i * 37 % 5000), static_cast<std::uint64_t>(i)));
  write_text(source / "big", noise(20u << 20, 1));
  write_text(source / "0/na\xefve \x01 name", "not UTF-8");
  write_text(source / "empty", "");
  fs::create_directory(source / "folder");
  fs::permissions(source / "folder", fs::perms{0700});
  fs::permissions(source / "big", fs::perms{0751});
  fs::create_symlink("/usr/bin/env", source / "folder/absolute");
  fs::create_symlink("../big", source / "folder/relative");
  fs::create_hard_link(source / "big", source / "z");

  const fs::path file = temp.path() / "v1.tar.zst";
  write_pack(source, file, {});
  const OpenedPack opened = read_pack(file);
  const std::string bytes = read_text(file);
  ASSERT_GT(opened.manifest.frames.size(), 2u);

  const Destination destination = Destination::open(temp.path() / "app", Destination::Mode::create);
  Stager stager(destination, "v1", opened.manifest, {});
  for (std::size_t i = opened.manifest.frames.size(); i-- > 0;) {
    const Frame& frame = opened.manifest.frames[i];
    stager.unpack(i, as_bytes(bytes).subspan(frame.stored_offset, frame.stored_size));
  }
  stager.finish(bytes.substr(opened.manifest_offset, opened.manifest_length));

  EXPECT_EQ(describe(temp.path() / "app/releases/v1"), describe(source));
  EXPECT_EQ(drifts(destination, "v1"), no_drift);
  EXPECT_EQ(status_of(temp.path() / "app/releases/v1/z").st_nlink, 2u);
}

}  // namespace
}  // namespace murder
