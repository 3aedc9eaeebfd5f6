#include "fleet/inventory.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <set>

#include "fleet/support.hpp"

namespace murder::fleet {
namespace {

using Names = std::vector<std::string>;
using Labels = std::map<std::string, std::string>;

std::size_t lines_in(const std::string& text) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// --- lines --------------------------------------------------------------------------------------

TEST(Inventory, a_line_is_a_host_with_its_labels_and_its_place) {
  const auto hosts = hosts_of("web1\n\ndeploy@web2.example.com:2222 rack=r7 role=web\n");
  ASSERT_EQ(hosts.size(), 2u);
  EXPECT_EQ(hosts[0], (Host{"web1", "", "web1", 0, {}, "hosts.txt:1"}));
  EXPECT_EQ(hosts[1], (Host{"web2.example.com",
                            "deploy",
                            "web2.example.com",
                            2222,
                            {{"rack", "r7"}, {"role", "web"}},
                            "hosts.txt:3"}));
}

TEST(Inventory, comments_and_empty_lines_are_nothing) {
  EXPECT_EQ(
      names_of(hosts_of("# a list\n\n  \t \n  # more\nweb1 # one\nweb2\t#two\nweb3 a=1 #\n#")),
      (Names{"web1", "web2", "web3"}));
  EXPECT_EQ(hosts_of("web1 a=b#c d=\"x # y\" # z")[0].labels,
            (Labels{{"a", "b#c"}, {"d", "x # y"}}));
  EXPECT_EQ(refusal_of("web1#x"), "hosts.txt:1:5: 'web1#x': '#' cannot be part of a host's name");
}

TEST(Inventory, line_ends_of_windows_and_a_byte_order_mark_do_no_harm) {
  const auto hosts =
      hosts_of("\xef\xbb\xbfweb1 rack=r1\r\n\r\n[role=web]\r\nweb2 a=\"b\"\r\n#\r\n");
  EXPECT_EQ(names_of(hosts), (Names{"web1", "web2"}));
  EXPECT_EQ(hosts[0].labels, (Labels{{"rack", "r1"}}));
  EXPECT_EQ(hosts[1].labels, (Labels{{"a", "b"}, {"role", "web"}}));
  EXPECT_EQ(names_of(hosts_of("web1")), Names{"web1"});
  EXPECT_EQ(refusal_of("web1\rweb2"),
            "hosts.txt:1:5: 'web1\\x0dweb2': '\\x0d' cannot be part of a host's name");
  // Within the text it is no mark.
  EXPECT_NE(refusal_of("web1\n\xef\xbb\xbfweb2"), "taken");
}

TEST(Inventory, hosts_come_in_the_order_of_the_text) {
  EXPECT_EQ(names_of(hosts_of("z\n b[2-3]\ta=1\n[1-2]a\na\n")),
            (Names{"z", "b2", "b3", "1a", "2a", "a"}));
}

TEST(Inventory, a_list_may_begin_with_an_ipv6_address_or_a_range) {
  const auto hosts = hosts_of("[2001:db8::1]\n[2001:db8::2]:2222 rack=r1\nroot@[::3]\n[a,b]x\n");
  EXPECT_EQ(names_of(hosts), (Names{"[2001:db8::1]", "[2001:db8::2]", "[::3]", "ax", "bx"}));
  EXPECT_EQ(hosts[1].host, "2001:db8::2");
  EXPECT_EQ(hosts[1].port, 2222);
  EXPECT_EQ(hosts[1].labels, (Labels{{"rack", "r1"}}));
}

// --- names and duplicates -----------------------------------------------------------------------

TEST(Inventory, the_port_is_in_the_name_only_where_it_tells_hosts_apart) {
  EXPECT_EQ(names_of(hosts_of("a@w1:2222\nw2:2201\nw2:2202\nw2\n[::1]:22\n[::2]:22\nroot@[::2]")),
            (Names{"w1", "w2:2201", "w2:2202", "w2", "[::1]", "[::2]:22", "[::2]"}));
  EXPECT_EQ(names_of(hosts_of("w:1 name=x\nw:2")), (Names{"x", "w"}));
}

TEST(Inventory, a_host_that_is_named_twice_is_refused_with_both_places) {
  EXPECT_EQ(refusal_of("web1\n\nweb1"), "hosts.txt:3:1: web1 is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("a@web1\nb@web1 name=x"),
            "hosts.txt:2:1: web1 is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("web1:22\nweb1:22"), "hosts.txt:2:1: web1:22 is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("Web1\nwEB1"), "hosts.txt:2:1: wEB1 is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("[2001:DB8::1]:22\n[2001:db8:0::1]:22"),
            "hosts.txt:2:1: [2001:db8:0::1]:22 is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("198.51.100.7\n[::ffff:198.51.100.7]"),
            "hosts.txt:2:1: [::ffff:198.51.100.7] is named already: hosts.txt:1");
  EXPECT_EQ(refusal_of("w[1,2,1]"), "hosts.txt:1:1: w1 is named twice");
  EXPECT_EQ(names_of(hosts_of("[fe80::1%eth0]\n[fe80::1%eth1]")).size(), 2u);
}

TEST(Inventory, many_hosts_that_are_named_twice_are_one_fault_a_line) {
  EXPECT_EQ(refusal_of("w[1-200]\nx\nw[100-300]"),
            "hosts.txt:3:1: w100 is named already: hosts.txt:1, and so are 100 more");
}

TEST(Inventory, lists_are_held_against_each_other) {
  Inventory inventory;
  inventory.read_lines("a.txt", "web1\nweb2");
  inventory.read_lines("b.txt", "web3\nweb1");
  inventory.read_list("--host", "web4,web2,web4");
  EXPECT_EQ(refusal([&] { inventory.take_hosts(); }),
            "3 things are wrong with the hosts that are named:\n"
            "b.txt:2:1: web1 is named already: a.txt:1\n"
            "--host: web2 is named already: a.txt:2\n"
            "--host: web4 is named twice");
}

TEST(Inventory, a_name_that_two_hosts_would_have_is_refused_with_both_places) {
  EXPECT_EQ(refusal_of("a name=x\nb name=X"),
            "hosts.txt:2:1: the name X is taken: hosts.txt:1; name= gives another");
  EXPECT_EQ(refusal_of("a\nb name=a"),
            "hosts.txt:2:1: the name a is taken: hosts.txt:1; name= gives another");
  EXPECT_EQ(refusal_of("b name=a\n a"),
            "hosts.txt:2:2: the name a is taken: hosts.txt:1; name= gives another");
}

// --- all faults at once -------------------------------------------------------------------------

TEST(Inventory, every_fault_is_named_in_the_order_of_the_lists) {
  Inventory inventory;
  inventory.read_lines("a.txt", "web1\nweb[1 x\n-x =\n");
  inventory.read_lines("b.txt", "# none\n");
  inventory.read_list("--host", "web1:x,web2,,web[3");
  EXPECT_EQ(refusal([&] { inventory.take_hosts(); }),
            "8 things are wrong with the hosts that are named:\n"
            "a.txt:2:4: 'web[1': '[' is not closed (a range has no blanks)\n"
            "a.txt:2:7: 'x' is no label: key=value\n"
            "a.txt:3:1: '-x': a host's name cannot begin with '-'\n"
            "a.txt:3:4: a label has a key before the '='\n"
            "b.txt: no host in it; it has one a line: [user@]host[:port] key=value…\n"
            "--host: 'web1:x': 'x' is no port: 1 to 65535\n"
            "--host: '': no host\n"
            "--host: 'web[3': '[' is not closed (a range has no blanks)");
}

TEST(Inventory, a_fault_in_the_labels_does_not_hide_that_a_host_is_named_twice) {
  EXPECT_EQ(lines_in(refusal_of("web1 x\nweb1")), 3u);
}

TEST(Inventory, exactly_the_wrong_lines_of_a_long_list_are_named) {
  EXPECT_TRUE(rc::check([] {
    auto wrong = *rc::gen::container<std::set<int>>(rc::gen::inRange(1, 1001));
    while (wrong.size() > 50) wrong.erase(wrong.begin());
    std::string text;
    std::string expected;
    for (int line = 1; line <= 1000; ++line) {
      text += fmt::format("web{}{}\n", line, wrong.contains(line) ? ":x" : " rack=r1");
      if (wrong.contains(line))
        expected += fmt::format("\nhosts.txt:{}:{}: 'web{}:x': 'x' is no port: 1 to 65535", line,
                                5 + std::to_string(line).size(), line);
    }
    if (wrong.empty())
      expected = "taken";
    else if (wrong.size() == 1)
      expected.erase(0, 1);
    else
      expected = fmt::format("{} things are wrong with the hosts that are named:", wrong.size()) +
                 expected;
    RC_ASSERT(refusal_of(text) == expected);
  }));
}

TEST(Inventory, of_very_many_faults_the_first_fifty_are_named_and_the_rest_counted) {
  std::string text;
  for (int line = 1; line <= 5000; ++line)
    text += fmt::format("web{}\n", line % 2 == 0 ? ":x" : std::to_string(line));
  const std::string refused = refusal_of(text);
  EXPECT_EQ(lines_in(refused), 52u);
  EXPECT_TRUE(
      refused.starts_with("2500 things are wrong with the hosts that are named:\n"
                          "hosts.txt:2:5: "));
  EXPECT_NE(refused.find("\nhosts.txt:100:5: "), std::string::npos);
  EXPECT_TRUE(refused.ends_with("\n… and 2450 more")) << refused.substr(refused.size() - 100);
}

TEST(Inventory, nothing_of_a_list_can_steer_the_terminal_that_shows_its_faults) {
  const std::string refused = refusal_of("\x1b[2J\n\"\x1b\nweb \x1b=\x1b\n[\x1b]\n[a\x1b=b");
  EXPECT_EQ(refused.find('\x1b'), std::string::npos) << refused;
  Inventory inventory;
  inventory.read_lines("\x1b", "");
  EXPECT_EQ(refusal([&] { inventory.take_hosts(); }).find('\x1b'), std::string::npos);
}

// --- bounds -------------------------------------------------------------------------------------

TEST(Inventory, a_list_without_hosts_is_refused) {
  for (const char* text : {"", "\n\n", "# none", "[rack=r7]\n", "\xef\xbb\xbf", "\r\n"})
    EXPECT_EQ(refusal_of(text),
              "hosts.txt: no host in it; it has one a line: [user@]host[:port] key=value…");
  EXPECT_EQ(refusal([] { listed(""); }), "--host: '': no host");
}

TEST(Inventory, there_are_at_most_100000_hosts) {
  EXPECT_EQ(hosts_of("w[1-99999]\nx").size(), 100'000u);
  const std::string limit = "that makes more than 100000 hosts, the most that can be named at once";
  EXPECT_EQ(refusal_of("w[1-100000]\nx\ny\n"), "hosts.txt:2:1: " + limit);
  EXPECT_EQ(refusal_of("x\nw[0-999999999]"), "hosts.txt:2:1: " + limit);
  EXPECT_EQ(refusal_of("w[0-9999][0-9999][0-9999][0-9999][0-9999][0-9999]"),
            "hosts.txt:1:1: " + limit);
  // What follows is still looked at.
  EXPECT_EQ(lines_in(refusal_of("w[1-100000]\nx\n-y\n")), 3u);
}

// --- --host -------------------------------------------------------------------------------------

TEST(InventoryList, commas_part_hosts_outside_of_brackets_only) {
  const auto hosts = listed("a,deploy@web[1-2,5]:2222,[2001:db8::1],[2001:db8::2]:22,[x,y]z");
  EXPECT_EQ(names_of(hosts),
            (Names{"a", "web1", "web2", "web5", "[2001:db8::1]", "[2001:db8::2]", "xz", "yz"}));
  EXPECT_EQ(hosts[1].user, "deploy");
  EXPECT_EQ(hosts[1].port, 2222);
  EXPECT_EQ(hosts[1].where, "--host");
  EXPECT_EQ(names_of(listed("[a,b]")), (Names{"a", "b"}));
}

TEST(InventoryList, labels_and_blanks_have_no_place_in_it) {
  for (const char* text : {"a b", "a rack=r7", "a=b", "a,", ",a", "a, b", "#a", "a[1,b", "a]"})
    EXPECT_NE(refusal([&] { listed(text); }), "taken") << text;
}

// --- anything at all --------------------------------------------------------------------------

TEST(Inventory, whatever_it_takes_is_fit_for_ssh_and_unique) {
  const auto character = rc::gen::elementOf(std::string("ab01[]-,.:@ =#\"%\n"));
  EXPECT_TRUE(rc::check([&] {
    std::string text = *rc::gen::container<std::string>(character);
    std::vector<Host> hosts;
    if (refusal([&] { hosts = hosts_of(text); }) != "taken") return;
    std::set<std::string> names;
    for (const Host& host : hosts) {
      RC_ASSERT(names.insert(host.name).second);
      RC_ASSERT(!host.host.empty() && host.host.front() != '-' && host.host.front() != '.');
      RC_ASSERT(host.host.find_first_of(" \n@[],\"=#") == std::string::npos);
      RC_ASSERT(host.user.find_first_of(" \n@[],\"=#%:") == std::string::npos);
    }
  }));
}

}  // namespace
}  // namespace murder::fleet
