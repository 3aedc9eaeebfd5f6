#include "host/attributes.hpp"

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class ParseOwner : public testing::Test {
 protected:
  void SetUp() override {
    write_text(temp_.path() / "passwd",
               "root:x:0:0:root:/root:/bin/sh\n"
               "app:x:1000:1001::/srv:/bin/false\n"
               "1000:x:7:8:a name of digits:/:/bin/false\n");
    write_text(temp_.path() / "group", "root:x:0:\nweb:x:33:app,root\napp:x:1001:\n");
  }
  Owner parse(std::string_view text) const {
    const std::string users = (temp_.path() / "passwd").native();
    const std::string groups = (temp_.path() / "group").native();
    return parse_owner(text, {users.c_str(), groups.c_str()});
  }
  static Owner owner(std::optional<uid_t> user, std::optional<gid_t> group) {
    return {user, group};
  }
  TempFolder temp_;
};

TEST_F(ParseOwner, reads_it_as_chown_does) {
  EXPECT_EQ(parse(""), owner({}, {}));
  EXPECT_EQ(parse("app"), owner(1000, {}));
  EXPECT_EQ(parse("app:web"), owner(1000, 33));
  EXPECT_EQ(parse("app:"), owner(1000, 1001));
  EXPECT_EQ(parse(":web"), owner({}, 33));
  EXPECT_EQ(parse("4000:5000"), owner(4000, 5000));
  EXPECT_EQ(parse("4000"), owner(4000, {}));
  EXPECT_EQ(parse("0:0"), owner(0, 0));
  EXPECT_EQ(parse("1000"), owner(7, {})) << "a name of digits is a name first";
}

TEST_F(ParseOwner, refuses_what_names_nobody) {
  for (const char* text :
       {"nobody-here", "nobody-here:web", "-1", "4294967295", "4294967296", "app ", "1.5"})
    expect_error(ErrorKind::usage, "no user", [&] { parse(text); });
  for (const char* text : {"app:nothing", ":nothing", "app:-1", "app:web:more"})
    expect_error(ErrorKind::usage, "no group", [&] { parse(text); });
  expect_error(ErrorKind::usage, "use USER", [&] { parse(":"); });
  expect_error(ErrorKind::usage, "no user \"4000\"", [&] { parse("4000:"); });
}

TEST_F(ParseOwner, numbers_need_no_account_files) {
  const std::string none = (temp_.path() / "none").native();
  EXPECT_EQ(parse_owner("5:6", {none.c_str(), none.c_str()}), owner(5, 6));
}

}  // namespace
}  // namespace murder
