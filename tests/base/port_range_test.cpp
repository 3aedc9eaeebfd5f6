#include "base/port_range.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace murder {
namespace {

TEST(PortRange, reads_one_port_and_a_range) {
  EXPECT_EQ(parse_port_range("9100-9160", "--ports"), (PortRange{9100, 9160}));
  EXPECT_EQ(parse_port_range("9100", "--ports"), (PortRange{9100, 9100}));
  EXPECT_EQ(parse_port_range("1-65535", "--ports").count(), 65535u);
  EXPECT_FALSE(parse_port_range("", "--ports").is_named());
  EXPECT_FALSE(parse_port_range("0", "--port").is_named());
  EXPECT_EQ((PortRange{9100, 9160}).to_string(), "9100-9160");
  EXPECT_EQ((PortRange{9100, 9100}).to_string(), "9100");
}

TEST(PortRange, refuses_the_rest) {
  for (const char* text : {"x", "9100-", "-9100", "9160-9100", "0-9100", "65536", "9100-70000",
                           "9100 - 9160", "9100-9160-1", "+1"}) {
    try {
      parse_port_range(text, "--ports");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      EXPECT_NE(std::string(error.what()).find("--ports: '"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace murder
