#include "fleet/record_file.hpp"

#include <array>
#include <fcntl.h>
#include <map>
#include <span>

#include "base/file.hpp"
#include "fleet/record_support.hpp"

namespace murder::fleet {
namespace {

TEST_F(RecordTest, older_tables_are_brought_up_to_date_and_keep_what_they_hold) {
  const std::array<const char*, 2> steps = {"CREATE TABLE a(x); INSERT INTO a VALUES(7)",
                                            "ALTER TABLE a ADD COLUMN y DEFAULT 8"};
  const fs::path file = temp.path() / "a.db";
  open_file(file, O_RDWR | O_CREAT);
  Database database(file, Duration::zero());
  migrate(database, std::span(steps).first(1));
  migrate(database, steps);
  migrate(database, steps);
  EXPECT_EQ(database.value_of("SELECT x + y FROM a"), 15);
  EXPECT_EQ(database.value_of("PRAGMA user_version"), 2);
  EXPECT_THROW(migrate(database, std::span(steps).first(1)), Error);
}

TEST_F(RecordTest, a_step_that_fails_changes_nothing) {
  const std::array<const char*, 2> steps = {"CREATE TABLE a(x)", "CREATE TABLE b(x); nonsense"};
  const fs::path file = temp.path() / "a.db";
  open_file(file, O_RDWR | O_CREAT);
  Database database(file, Duration::zero());
  migrate(database, std::span(steps).first(1));
  EXPECT_THROW(migrate(database, steps), Error);
  EXPECT_EQ(database.value_of("PRAGMA user_version"), 1);
  EXPECT_EQ(database.value_of("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST(RecordPath, is_where_the_state_of_a_user_is) {
  std::map<std::string, std::string> variables;
  const auto variable = [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  EXPECT_THROW(record_path(variable), Error);
  variables["HOME"] = "/home/a";
  EXPECT_EQ(record_path(variable), "/home/a/.local/state/murder/history.db");
  variables["XDG_STATE_HOME"] = "relative";
  EXPECT_EQ(record_path(variable), "/home/a/.local/state/murder/history.db");
  variables["XDG_STATE_HOME"] = "/state";
  EXPECT_EQ(record_path(variable), "/state/murder/history.db");
  variables["MURDER_HISTORY"] = "here.db";
  EXPECT_EQ(record_path(variable), "here.db");
}

}  // namespace
}  // namespace murder::fleet
