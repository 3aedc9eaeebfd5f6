#include "base/error.hpp"

#include <cerrno>
#include <gtest/gtest.h>

namespace murder {
namespace {

TEST(Error, its_kind_is_the_exit_status) {
  EXPECT_EQ(Error(ErrorKind::failed, "x").exit_status(), 1);
  EXPECT_EQ(Error(ErrorKind::usage, "x").exit_status(), 2);
  EXPECT_EQ(Error(ErrorKind::partial, "x").exit_status(), 3);
  EXPECT_EQ(Error(ErrorKind::unreachable, "x").exit_status(), 4);
  EXPECT_EQ(Error(ErrorKind::integrity, "x").exit_status(), 5);
  EXPECT_EQ(Error(ErrorKind::interrupted, "x").exit_status(), 130);
  EXPECT_EQ(Error(ErrorKind::terminated, "x").exit_status(), 143);
}

TEST(Error, of_the_system_names_operation_object_and_reason) {
  try {
    throw_system_error("cannot open", "/srv/a\nb", ENOSPC);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::failed);
    EXPECT_STREQ(e.what(), "cannot open /srv/a\\x0ab: No space left on device");
  }
}

TEST(Printable, leaves_text_of_any_language_alone) {
  for (const char* text : {"", "plain text, 100 %", "Grüße", "日本語", "🚀", "a\\b", "\u00a0"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, lets_nothing_steer_the_terminal) {
  EXPECT_EQ(printable("a\x1b[31mred"), "a\\x1b[31mred");
  EXPECT_EQ(printable("one\ntwo\r\t"), "one\\x0atwo\\x0d\\x09");
  EXPECT_EQ(printable(std::string_view("a\0b\x7f", 4)), "a\\x00b\\x7f");
  EXPECT_EQ(printable("\u009b31m"), "\\xc2\\x9b31m") << "C1 in UTF-8";
  EXPECT_EQ(printable("\u202egnp.exe"), "\\xe2\\x80\\xaegnp.exe") << "text that runs backwards";
  EXPECT_EQ(printable("\u2028"), "\\xe2\\x80\\xa8") << "a line separator";
  EXPECT_EQ(printable("\u2067"), "\\xe2\\x81\\xa7");
}

TEST(Printable, shows_bytes_that_are_not_utf_8) {
  EXPECT_EQ(printable("\xff\x9b"), "\\xff\\x9b");
  EXPECT_EQ(printable("caf\xe9"), "caf\\xe9") << "Latin-1";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "an overlong slash";
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82") << "cut off";
  EXPECT_EQ(printable("\xe2\x82z"), "\\xe2\\x82z") << "what follows is kept";
  EXPECT_EQ(printable("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf") << "U+10FFFF itself is a character";
}

TEST(Printable, cuts_long_text_between_characters) {
  EXPECT_EQ(printable("hello", 5), "hello");
  EXPECT_EQ(printable("hello!", 5), "hello…");
  EXPECT_EQ(printable("ééé", 3), "éé…");
  EXPECT_LE(printable(std::string(1'000'000, '\x01')).size(), 210u);
}

}  // namespace
}  // namespace murder
