// Labels and headings of lists of hosts, and how labels are written back.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "fleet/inventory.hpp"
#include "fleet/support.hpp"

namespace murder::fleet {
namespace {

using Names = std::vector<std::string>;
using Labels = std::map<std::string, std::string>;

Labels labels_of(std::string_view line) { return hosts_of(line).at(0).labels; }

// --- labels -------------------------------------------------------------------------------------

TEST(Labels, values_may_be_quoted_or_empty) {
  EXPECT_EQ(
      labels_of(R"(w a="b c" d="" e= f="say \"x\" \\" g=h=i j=\n)"),
      (Labels{
          {"a", "b c"}, {"d", ""}, {"e", ""}, {"f", "say \"x\" \\"}, {"g", "h=i"}, {"j", "\\n"}}));
  EXPECT_EQ(labels_of("w _a.b-C9=ä"), (Labels{{"_a.b-C9", "ä"}}));
}

TEST(Labels, labels_that_cannot_be_read_are_named_with_their_column) {
  EXPECT_EQ(refusal_of("w rack"), "hosts.txt:1:3: 'rack' is no label: key=value");
  EXPECT_EQ(refusal_of("w =x"), "hosts.txt:1:3: a label has a key before the '='");
  EXPECT_EQ(
      refusal_of("w 9a=x"),
      "hosts.txt:1:3: '9a' is no label's key: a letter or '_', then also digits, '.' and '-'");
  EXPECT_NE(refusal_of("w a:b=x"), "taken");
  EXPECT_NE(refusal_of("w \xc3\xa4=x"), "taken");
  EXPECT_EQ(refusal_of("w a=1 a=2"), "hosts.txt:1:7: a= is given twice");
  EXPECT_EQ(refusal_of("w a=\"b"), "hosts.txt:1:5: a quote that is not closed");
  EXPECT_EQ(refusal_of("w a=\"b\\\""), "hosts.txt:1:5: a quote that is not closed");
  EXPECT_EQ(refusal_of("w a=\"b\"c"),
            "hosts.txt:1:5: a value in quotes ends with the second quote");
  EXPECT_EQ(refusal_of("w a=b\"c\""),
            "hosts.txt:1:6: the whole of a value stands in quotes, or none of it");
  EXPECT_EQ(refusal_of("w a=\"\\n\""),
            "hosts.txt:1:6: in quotes, '\\' stands before '\"' or '\\' only");
  EXPECT_EQ(refusal_of("w a=x\x1b[2J"),
            "hosts.txt:1:5: the value of 'a' has characters that cannot be printed: x\\x1b[2J");
  EXPECT_NE(refusal_of("w a=\xff"), "taken");
  EXPECT_NE(refusal_of("w a=\xe2\x80\xae"), "taken");  // would turn the line around
  EXPECT_EQ(
      refusal_of("w host=x"),
      "hosts.txt:1:3: host= is no label: it is what --where calls the name, which name= gives");
}

TEST(Labels, a_destination_is_checked_as_to_is) {
  EXPECT_EQ(labels_of("w dest=/srv/other"), (Labels{{"dest", "/srv/other"}}));
  for (const char* none : {"w dest=", "w dest=/", "w dest=/srv/..", "w dest=srv/app", "w dest=.."})
    EXPECT_NE(refusal_of(none).find("hosts.txt:1:8: dest= takes a folder of its own"),
              std::string::npos)
        << none;
}

TEST(Labels, columns_count_characters_not_bytes) {
  EXPECT_EQ(refusal_of("w a=\"äöü\" b"), "hosts.txt:1:11: 'b' is no label: key=value");
}

TEST(Labels, an_address_is_checked_and_kept_in_its_shortest_form) {
  EXPECT_EQ(labels_of("w addr=198.51.100.7"), (Labels{{"addr", "198.51.100.7"}}));
  EXPECT_EQ(labels_of("w addr=2001:DB8:0::1"), (Labels{{"addr", "2001:db8::1"}}));
  EXPECT_EQ(labels_of("w addr=[2001:db8::1]"), (Labels{{"addr", "2001:db8::1"}}));
  EXPECT_EQ(refusal_of("w  addr=web1"), "hosts.txt:1:9: addr= takes an IP address, not 'web1'");
  for (const char* address :
       {"", "198.51.100.256", "198.51.100.7:22", "0.0.0.0", "::", "[]", "[", "fe80::1%eth0"})
    EXPECT_NE(refusal_of(fmt::format("w addr={}", address)), "taken") << address;
}

TEST(Labels, a_name_is_what_reports_say_and_no_label) {
  const auto hosts = hosts_of("web1 name=front rack=r1");
  EXPECT_EQ(hosts[0].name, "front");
  EXPECT_EQ(hosts[0].host, "web1");
  EXPECT_EQ(hosts[0].labels, (Labels{{"rack", "r1"}}));
  EXPECT_EQ(refusal_of("w name="), "hosts.txt:1:8: name=: a host's name cannot be empty");
  EXPECT_EQ(refusal_of("w name=\"a b\""),
            "hosts.txt:1:8: name=a b: ' ' cannot be part of a host's name");
  EXPECT_NE(refusal_of("w name=../x"), "taken");
  EXPECT_NE(refusal_of("w name=-x"), "taken");
}

TEST(Labels, a_range_cannot_have_what_is_of_one_host) {
  EXPECT_EQ(refusal_of("w[1-3] name=x"), "hosts.txt:1:8: name= is of one host, and 'w[1-3]' is 3");
  EXPECT_EQ(refusal_of("w[1-3] addr=::1"),
            "hosts.txt:1:8: addr= is of one host, and 'w[1-3]' is 3");
  EXPECT_EQ(names_of(hosts_of("w[1] name=x")), Names{"x"});
}

// --- headings -----------------------------------------------------------------------------------

TEST(Labels, a_heading_labels_the_lines_below_it_until_the_next) {
  const auto hosts =
      hosts_of("a\n[rack=r7 role=\"we b\"]\nb\nc role=db x=1\n  [ rack=r8 ]  # eight\nd\n[]\ne\n");
  EXPECT_EQ(hosts[0].labels, Labels{});
  EXPECT_EQ(hosts[1].labels, (Labels{{"rack", "r7"}, {"role", "we b"}}));
  EXPECT_EQ(hosts[2].labels, (Labels{{"rack", "r7"}, {"role", "db"}, {"x", "1"}}));
  EXPECT_EQ(hosts[3].labels, (Labels{{"rack", "r8"}}));
  EXPECT_EQ(hosts[4].labels, Labels{});
  EXPECT_EQ(hosts_of("[zone=a:b]\nx")[0].labels, (Labels{{"zone", "a:b"}}));
  EXPECT_EQ(hosts_of("[note=\"a] b\"]\nx")[0].labels, (Labels{{"note", "a] b"}}));
}

TEST(Labels, a_heading_ends_with_its_file) {
  Inventory inventory;
  inventory.read_lines("a.txt", "[rack=r7]\na");
  inventory.read_lines("b.txt", "b");
  inventory.read_list("--host", "c");
  for (const Host& host : inventory.take_hosts()) EXPECT_EQ(host.labels.size(), host.name == "a");
}

TEST(Labels, what_looks_like_a_heading_and_is_none_is_refused) {
  EXPECT_EQ(refusal_of("[web]\nweb1"),
            "hosts.txt:1:1: '[web]' is no heading, which has labels for the lines below it, as "
            "[role=web]");
  EXPECT_NE(refusal_of("[a,b]  # two\n"), "taken");
  EXPECT_EQ(refusal_of("[rack=r7] web1"),
            "hosts.txt:1:1: a heading such as [rack=r7] stands on a line of its own");
  EXPECT_EQ(refusal_of(" [rack=r7\nweb1"), "hosts.txt:1:2: '[' is not closed");
  EXPECT_EQ(refusal_of("[rack=r7 x]\nweb1"), "hosts.txt:1:10: 'x' is no label: key=value");
  EXPECT_EQ(refusal_of("[a=1 addr=::1 name=x]\nweb1\nweb2"),
            "2 things are wrong with the hosts that are named:\n"
            "hosts.txt:1:6: addr= is of one host, not of all below a heading\n"
            "hosts.txt:1:15: name= is of one host, not of all below a heading");
  EXPECT_NE(refusal_of("[2001:db8]"), "taken");
  EXPECT_NE(refusal_of("[] web1"), "taken");
}

// --- writing it back ----------------------------------------------------------------------------

TEST(Host, is_written_as_lists_have_it) {
  EXPECT_EQ(target_of({"x", "deploy", "web1", 2222, {}, ""}), "deploy@web1:2222");
  EXPECT_EQ(target_of({"x", "", "2001:db8::1", 0, {}, ""}), "[2001:db8::1]");
  EXPECT_EQ(labels_text({{"b", "x y"}, {"a", ""}, {"c", "\\"}, {"d", "\"\\"}}),
            R"(a="" b="x y" c=\ d="\"\\")");
}

TEST(Host, is_read_back_from_what_is_written) {
  const auto character = rc::gen::elementOf(std::string("abcXYZ019 \"\\#=[],*|;$"));
  EXPECT_TRUE(rc::check([&] {
    const auto values =
        *rc::gen::container<std::vector<std::string>>(rc::gen::container<std::string>(character));
    Labels labels;
    for (const std::string& value : values) labels[fmt::format("k{}", labels.size())] = value;
    const std::string user = *rc::gen::element<std::string>("", "deploy");
    const std::string name = *rc::gen::element<std::string>("web1", "2001:db8::1", "10.0.0.1");
    const auto port = *rc::gen::arbitrary<std::uint16_t>();
    const Host host{"n", user, name, port, labels, "hosts.txt:1"};
    RC_ASSERT(hosts_of(target_of(host) + " name=n " + labels_text(labels)).at(0) == host);
  }));
}

}  // namespace
}  // namespace murder::fleet
