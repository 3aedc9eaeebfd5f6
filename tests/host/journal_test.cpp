#include "host/journal.hpp"

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Journal : public testing::Test {
 protected:
  fs::path file() const { return temp_.path() / "app/.murder/journal"; }
  std::vector<std::string> tags() const {
    std::vector<std::string> tags;
    for (const JournalEntry& entry : read_journal(destination_)) tags.push_back(entry.tag);
    return tags;
  }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(Journal, gives_back_what_was_appended_oldest_first) {
  EXPECT_TRUE(read_journal(destination_).empty());
  append_journal(destination_, {1700000000, "staged", "v1", ""});
  append_journal(destination_, {1700000001, "activated", "v2", "v1"});
  const std::vector<JournalEntry> entries = read_journal(destination_);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].at, 1700000000);
  EXPECT_EQ(entries[0].action, "staged");
  EXPECT_EQ(entries[0].tag, "v1");
  EXPECT_EQ(entries[0].previous_tag, "");
  EXPECT_EQ(entries[1].action, "activated");
  EXPECT_EQ(entries[1].previous_tag, "v1");
  EXPECT_EQ(read_text(file()),
            "{\"action\":\"staged\",\"at\":1700000000,\"tag\":\"v1\"}\n"
            "{\"action\":\"activated\",\"at\":1700000001,\"previous\":\"v1\",\"tag\":\"v2\"}\n");
}

TEST_F(Journal, a_line_torn_at_any_byte_costs_no_other_line) {
  append_journal(destination_, {1, "staged", "v1", ""});
  const auto whole = fs::file_size(file());
  append_journal(destination_, {2, "activated", "v2", "v1"});
  const std::string both = read_text(file());
  for (std::size_t size = whole; size + 1 < both.size(); ++size) {
    write_text(file(), both.substr(0, size));
    EXPECT_EQ(tags().front(), "v1");
    append_journal(destination_, {3, "staged", "v3", ""});
    const std::vector<std::string> left = tags();
    EXPECT_EQ(left.front(), "v1") << size;
    EXPECT_EQ(left.back(), "v3") << size;
    EXPECT_LE(left.size(), 3u);
  }
}

TEST_F(Journal, lines_that_murder_did_not_write_are_skipped) {
  write_text(file(),
             "not json\n[]\n{}\n\n"
             "{\"at\":1,\"action\":\"staged\",\"tag\":\"../../etc\"}\n"
             "{\"at\":1,\"action\":\"staged\",\"tag\":\"v1\",\"previous\":\"/etc\"}\n"
             "{\"at\":\"1\",\"action\":\"staged\",\"tag\":\"v1\"}\n"
             "{\"at\":1,\"action\":7,\"tag\":\"v1\"}\n"
             "{\"at\":1,\"action\":\"staged\",\"tag\":\"good\",\"later\":true}\n");
  EXPECT_EQ(tags(), std::vector<std::string>{"good"});
}

TEST_F(Journal, a_line_can_be_taken_back) {
  append_journal(destination_, {1, "staged", "v1", ""});
  const std::uint64_t size = append_journal_line(destination_, {2, "activated", "v1", ""});
  truncate_journal(destination_, size);
  EXPECT_EQ(tags(), std::vector<std::string>{"v1"});
  EXPECT_EQ(fs::file_size(file()), size);
}

TEST_F(Journal, is_never_written_through_a_symlink) {
  write_text(temp_.path() / "victim", "");
  fs::create_symlink(temp_.path() / "victim", file());
  expect_error(ErrorKind::failed, "journal", [&] {
    append_journal(destination_, {1, "staged", "v1", ""});
  });
  EXPECT_EQ(read_text(temp_.path() / "victim"), "");
}

}  // namespace
}  // namespace murder
