#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sstream>
#include <sys/socket.h>

#include "base/error.hpp"
#include "lab/delay_relay.hpp"
#include "lab/netns.hpp"
#include "lab/support.hpp"

namespace murder {
namespace {

using namespace lab_test;
using lab::Lab;
using lab::LabOptions;

const lab::Link hundred_mbit{Rate{100e6 / 8}, Rate{100e6 / 8}};

LabOptions hosts(std::size_t count) { return {.hosts = count, .link = hundred_mbit}; }

sockaddr_in address_of(const Lab& lab, std::size_t host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  EXPECT_EQ(::inet_pton(AF_INET, lab.address(host).to_string().c_str(), &address.sin_addr), 1);
  return address;
}

UniqueFd socket_on(Lab& lab, std::size_t host, int type) {
  UniqueFd fd;
  lab.on_host(host, [&] { fd.reset(::socket(AF_INET, type | SOCK_CLOEXEC, 0)); });
  EXPECT_TRUE(static_cast<bool>(fd));
  return fd;
}

TEST(Namespaces, host_sees_its_own_address_alone) {
  SKIP_WITHOUT_NAMESPACES();
  const auto lab = Lab::with_namespaces(hosts(3));
  EXPECT_EQ(lab->host_count(), 3u);
  EXPECT_TRUE(lab->has_shaped_links());
  std::istringstream lines(output_of(*lab, 1, {"ip", "-o", "addr", "show"}));
  std::vector<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, device, family, address;
    words >> number >> device >> family >> address;
    seen.push_back(fmt::format("{} {}", device, address));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"lo 127.0.0.1/8", "lo ::1/128",
                                            "eth0 " + lab->address(1).to_string() + "/32"}));
}

TEST(Namespaces, thread_is_home_again_after_work_on_a_host) {
  SKIP_WITHOUT_NAMESPACES();
  const auto own_network = [] {
    return std::filesystem::read_symlink("/proc/thread-self/ns/net").native();
  };
  const auto lab = Lab::with_namespaces(hosts(2));
  const std::string home = own_network();
  std::string first;
  std::string second;
  lab->on_host(0, [&] { first = own_network(); });
  EXPECT_THROW(lab->on_host(1,
                            [&] {
                              second = own_network();
                              throw Error(ErrorKind::failed, "from inside");
                            }),
               Error);
  EXPECT_EQ(own_network(), home);
  EXPECT_NE(first, home);
  EXPECT_NE(second, home);
  EXPECT_NE(first, second);
}

// As many pairs as overflow the kernel's neighbour table when hosts have to learn each other.
TEST(Namespaces, every_host_can_talk_to_every_other_at_once) {
  SKIP_WITHOUT_NAMESPACES();
  constexpr std::size_t count = 40;
  const auto lab = Lab::with_namespaces({.hosts = count});
  std::vector<UniqueFd> sockets;
  std::vector<sockaddr_in> names;
  for (std::size_t host = 0; host < count; ++host) {
    sockets.push_back(socket_on(*lab, host, SOCK_DGRAM));
    sockaddr_in name = address_of(*lab, host);
    socklen_t length = sizeof name;
    ASSERT_EQ(::bind(sockets[host].get(), reinterpret_cast<sockaddr*>(&name), length), 0);
    ASSERT_EQ(::getsockname(sockets[host].get(), reinterpret_cast<sockaddr*>(&name), &length), 0);
    names.push_back(name);
  }
  const auto send = [&](std::size_t from, std::size_t to) {
    const auto byte = static_cast<char>(from);
    ASSERT_EQ(::sendto(sockets[from].get(), &byte, 1, 0,
                       reinterpret_cast<const sockaddr*>(&names[to]), sizeof names[to]),
              1)
        << from << " to " << to << ": " << system_reason(errno);
  };
  const auto arrives = [&](std::size_t from, std::size_t to, int timeout_ms) {
    pollfd ready{sockets[to].get(), POLLIN, 0};
    char byte = 0;
    while (::poll(&ready, 1, timeout_ms) == 1)
      if (::recv(sockets[to].get(), &byte, 1, 0) == 1 && byte == static_cast<char>(from))
        return true;
    return false;
  };
  for (std::size_t from = 0; from < count; ++from) {
    for (std::size_t to = 0; to < count; ++to) send(from, to);
    for (std::size_t to = 0; to < count; ++to) {
      // All of the machine's namespaces share one queue of packets for each processor, and what is
      // too much for it is lost: sent again, at once. A neighbour table that is full stays so.
      bool arrived = arrives(from, to, 500);
      for (const int timeout_ms : {500, 500, 20'000}) {
        if (arrived) break;
        send(from, to);
        arrived = arrives(from, to, timeout_ms);
      }
      ASSERT_TRUE(arrived) << "nothing from " << from << " reached " << to;
    }
  }
}

/// A connection between two hosts: the end that dialled, the end that was dialled.
std::pair<UniqueFd, UniqueFd> connect_hosts(Lab& lab, std::size_t from, std::size_t to) {
  const UniqueFd listener = socket_on(lab, to, SOCK_STREAM);
  sockaddr_in name = address_of(lab, to);
  socklen_t length = sizeof name;
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &length), 0);
  UniqueFd dialled = socket_on(lab, from, SOCK_STREAM);
  EXPECT_EQ(::connect(dialled.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  return {std::move(dialled), UniqueFd(::accept(listener.get(), nullptr, nullptr))};
}

std::string congestion_control_of(const UniqueFd& socket) {
  char used[16] = {};
  socklen_t length = sizeof used;
  EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, used, &length), 0);
  return used;
}

// Also one that the machine's administrator allows nobody else: it is an attribute of the route.
TEST(Namespaces, congestion_control_is_what_was_asked_for_at_both_ends) {
  SKIP_WITHOUT_NAMESPACES();
  std::istringstream available(read_file("/proc/sys/net/ipv4/tcp_available_congestion_control"));
  for (std::string name; available >> name;) {
    const auto lab = Lab::with_namespaces({.hosts = 2, .congestion_control = name});
    const auto [dialled, accepted] = connect_hosts(*lab, 0, 1);
    EXPECT_EQ(congestion_control_of(dialled), name);
    EXPECT_EQ(congestion_control_of(accepted), name);
  }
}

double round_trip_of(Lab& lab, std::size_t from, std::size_t to) {
  const auto [dialled, accepted] = connect_hosts(lab, from, to);
  double least = 1e9;
  for (int i = 0; i < 20; ++i) {
    const auto start = std::chrono::steady_clock::now();
    char byte = '!';
    EXPECT_EQ(::send(dialled.get(), &byte, 1, 0), 1);
    EXPECT_EQ(::recv(accepted.get(), &byte, 1, 0), 1);
    EXPECT_EQ(::send(accepted.get(), &byte, 1, 0), 1);
    EXPECT_EQ(::recv(dialled.get(), &byte, 1, 0), 1);
    least = std::min(least, to_seconds(std::chrono::steady_clock::now() - start));
  }
  return least;
}

// The least of several, because a busy machine adds to any one; it never takes away.
TEST(Namespaces, round_trip_is_as_long_as_asked_for) {
  SKIP_WITHOUT_NAMESPACES();
  LabOptions options = hosts(3);
  options.round_trip = std::chrono::milliseconds(20);
  const auto lab = Lab::with_namespaces(options);
  const double taken = round_trip_of(*lab, 0, 2);
  EXPECT_GE(taken, 0.0199);
  EXPECT_LT(taken, 0.040);
  ASSERT_TRUE(lab->relay_stats().has_value());
  EXPECT_GE(lab->relay_stats()->packets, 40u);
  const ScratchFolder scratch;
  EXPECT_GT(lab::plain_copy(*lab, 0, 1, scratch.file_of(2_MiB)), Duration::zero());
}

TEST(Namespaces, unplugged_host_is_cut_off_without_a_word) {
  SKIP_WITHOUT_NAMESPACES();
  const auto lab = Lab::with_namespaces(hosts(2));
  const auto [dialled, accepted] = connect_hosts(*lab, 0, 1);
  const auto arrives = [&, to = accepted.get()](int timeout_ms) {
    pollfd ready{to, POLLIN, 0};
    return ::poll(&ready, 1, timeout_ms) == 1;
  };
  lab->unplug(1);
  lab->unplug(1);
  char byte = '!';
  EXPECT_EQ(::send(dialled.get(), &byte, 1, 0), 1);
  EXPECT_FALSE(arrives(100));
  lab->plug_in(1);
  EXPECT_TRUE(arrives(60'000)) << "TCP sends it again";
}

TEST(Namespaces, without_a_longer_round_trip_there_is_no_relay) {
  SKIP_WITHOUT_NAMESPACES();
  const auto lab = Lab::with_namespaces(hosts(2));
  EXPECT_FALSE(lab->relay_stats().has_value());
}

TEST(Namespaces, what_passes_between_racks_shares_the_thin_link) {
  SKIP_WITHOUT_NAMESPACES();
  LabOptions options = hosts(4);
  options.racks = lab::Racks{.first_rack = 2, .between = Rate{20e6 / 8}};
  const auto lab = Lab::with_namespaces(options);
  EXPECT_EQ(namespaces_of(::getpid()).size(), 6u) << "four hosts and two bridges";
  const ScratchFolder scratch;
  const auto file = scratch.file_of(4_MiB);
  constexpr double bits = 4 * 8 * 1024 * 1024;
  // Less than the link's burst and queue of what was sent need not have passed at its rate.
  EXPECT_GT(to_seconds(lab::plain_copy(*lab, 0, 2, file)), 0.9 * bits / 20e6);
  EXPECT_GT(to_seconds(lab::plain_copy(*lab, 3, 1, file)), 0.9 * bits / 20e6);
  EXPECT_LT(to_seconds(lab::plain_copy(*lab, 0, 1, file)),
            to_seconds(lab::plain_copy(*lab, 0, 3, file)));
  lab->set_link(3, hundred_mbit);
}

TEST(Namespaces, the_asked_for_share_of_packets_is_lost) {
  SKIP_WITHOUT_NAMESPACES();
  LabOptions options{.hosts = 2};
  options.loss = 0.2;
  const auto lab = Lab::with_namespaces(options);
  const UniqueFd from = socket_on(*lab, 0, SOCK_DGRAM);
  const UniqueFd to = socket_on(*lab, 1, SOCK_DGRAM);
  sockaddr_in name = address_of(*lab, 1);
  socklen_t length = sizeof name;
  ASSERT_EQ(::bind(to.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  ASSERT_EQ(::getsockname(to.get(), reinterpret_cast<sockaddr*>(&name), &length), 0);
  constexpr int sent = 2000;
  const auto received = [&] {
    int count = 0;
    char byte = 0;
    for (int i = 0; i < sent; ++i) {
      EXPECT_EQ(::sendto(from.get(), "!", 1, 0, reinterpret_cast<sockaddr*>(&name), length), 1);
      while (::recv(to.get(), &byte, 1, MSG_DONTWAIT) == 1) ++count;
    }
    for (pollfd ready{to.get(), POLLIN, 0}; ::poll(&ready, 1, 500) == 1;)
      if (::recv(to.get(), &byte, 1, MSG_DONTWAIT) == 1) ++count;
    return count;
  };
  // Five standard deviations and more. A machine that is busy enough loses some of its own.
  int most = 0;
  for (int round = 0; round < 5 && most < 0.75 * sent; ++round) most = std::max(most, received());
  EXPECT_NEAR(most, 0.8 * sent, 0.05 * sent);
}

TEST(Namespaces, nothing_is_left_after_destruction) {
  SKIP_WITHOUT_NAMESPACES();
  auto lab = Lab::with_namespaces(hosts(3));
  EXPECT_EQ(namespaces_of(::getpid()).size(), 4u) << "three hosts and the bridge";
  lab.reset();
  EXPECT_TRUE(namespaces_of(::getpid()).empty());
}

TEST(Namespaces, nothing_is_left_after_an_exception) {
  SKIP_WITHOUT_NAMESPACES();
  pid_t pid = -1;
  try {
    const auto lab = Lab::with_namespaces(hosts(2));
    const lab::Process process = lab->spawn(0, {"sleep", "1000"}, -1, -1);
    pid = process.pid();
    throw Error(ErrorKind::interrupted, "interrupted");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
  EXPECT_TRUE(is_dead(pid));
  EXPECT_TRUE(namespaces_of(::getpid()).empty());
}

TEST(Namespaces, nothing_is_left_when_a_step_is_refused_and_the_step_is_named) {
  SKIP_WITHOUT_NAMESPACES();
  try {
    Lab::with_namespaces({.hosts = 2, .congestion_control = "no-such"});
    FAIL() << "there is no such congestion control";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("cannot make a lab of 2 hosts: 'ip route add "), 0u)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("no-such"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(namespaces_of(::getpid()).empty());

  // More than tc can write down: the refusal is tc's own.
  const Rate absurd{1e300};
  try {
    Lab::with_namespaces({.hosts = 2, .link = lab::Link{absurd, absurd}});
    FAIL() << "there is no such link";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'tc qdisc replace dev p0 root tbf "),
              std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(namespaces_of(::getpid()).empty());
}

TEST(Namespaces, what_a_process_left_running_behind_is_killed_with_the_lab) {
  SKIP_WITHOUT_NAMESPACES();
  auto lab = Lab::with_namespaces(hosts(1));
  const pid_t left_behind =
      std::stoi(output_of(*lab, 0, {"sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"}));
  EXPECT_FALSE(is_dead(left_behind));
  lab.reset();
  EXPECT_TRUE(comes_true([&] { return is_dead(left_behind); }));
  EXPECT_TRUE(namespaces_of(::getpid()).empty());
}

TEST(Namespaces, what_a_killed_process_left_is_removed_by_the_next_lab_and_nothing_else) {
  SKIP_WITHOUT_NAMESPACES();
  const auto bystander = Lab::on_loopback({.hosts = 1});
  Pipe pipe;
  lab::Process victim =
      bystander->spawn(0, {"/proc/self/exe", "--victim", "namespaces"}, pipe.write_end.get(), -1);
  pipe.write_end.reset();
  const pid_t child = std::stoi(read_line(pipe.read_end.get()));

  Lab::with_namespaces(hosts(1)).reset();
  EXPECT_EQ(namespaces_of(victim.pid()).size(), 2u) << "its maker lives";
  EXPECT_FALSE(is_dead(child));

  victim.signal(SIGKILL);
  EXPECT_EQ(victim.wait(), 128 + SIGKILL);
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
  // Nobody of its own was left to remove them, but other labs of this machine may be as quick.

  Lab::with_namespaces(hosts(1)).reset();
  EXPECT_TRUE(namespaces_of(victim.pid()).empty());
}

TEST(Namespaces, two_labs_of_one_process_do_not_meet) {
  SKIP_WITHOUT_NAMESPACES();
  const auto first = Lab::with_namespaces(hosts(2));
  const auto second = Lab::with_namespaces(hosts(2));
  EXPECT_EQ(first->address(0), second->address(0));
  const ScratchFolder scratch;
  const std::uint64_t before = second->bytes_sent(0);
  lab::plain_copy(*first, 0, 1, scratch.file_of(1_MiB));
  EXPECT_GE(first->bytes_sent(0), 1_MiB);
  EXPECT_EQ(second->bytes_sent(0), before);
}

TEST(LabOptions, out_of_range_is_a_usage_error) {
  const auto kind_of = [](const auto& make) {
    try {
      make();
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::partial;
  };
  const auto unshaped = [](std::size_t count) { return LabOptions{.hosts = count}; };
  EXPECT_EQ(kind_of([&] { Lab::with_namespaces(unshaped(0)); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([&] { Lab::with_namespaces(unshaped(1024)); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([&] { Lab::on_loopback(unshaped(0)); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([&] { Lab::on_loopback(unshaped(4001)); }), ErrorKind::usage);
  LabOptions standing_still = hosts(1);
  standing_still.link->up = Rate{0};
  EXPECT_EQ(kind_of([&] { Lab::with_namespaces(standing_still); }), ErrorKind::usage);
  const auto refused = [&](auto change) {
    LabOptions options = hosts(2);
    change(options);
    return kind_of([&] { Lab::with_namespaces(options); }) == ErrorKind::usage;
  };
  EXPECT_TRUE(refused([](auto& o) { o.loss = 0.51; }));
  EXPECT_TRUE(refused([](auto& o) { o.loss = -0.1; }));
  EXPECT_TRUE(refused([](auto& o) { o.round_trip = std::chrono::seconds(11); }));
  EXPECT_TRUE(refused([](auto& o) { o.round_trip = -std::chrono::seconds(1); }));
  EXPECT_TRUE(refused([](auto& o) { o.racks = lab::Racks{0, Rate{1e6}}; }));
  EXPECT_TRUE(refused([](auto& o) { o.racks = lab::Racks{2, Rate{1e6}}; }));
  EXPECT_TRUE(refused([](auto& o) { o.racks = lab::Racks{1, Rate{0}}; }));
}

TEST(LoopbackLab, addresses_are_its_own_and_links_are_not_shaped) {
  const auto lab = Lab::on_loopback({.hosts = 4000, .link = hundred_mbit});
  EXPECT_EQ(lab->address(0).to_string(), "127.0.1.1");
  EXPECT_EQ(lab->address(255).to_string(), "127.0.2.0");
  EXPECT_EQ(lab->address(3999).to_string(), "127.0.16.160");
  EXPECT_THROW(lab->address(4000), Error);
  EXPECT_FALSE(lab->has_shaped_links());
  EXPECT_THROW(lab->set_link(0, hundred_mbit), Error);
  EXPECT_EQ(lab->bytes_sent(0), 0u);
}

TEST(NamespaceNames, only_ours_have_a_maker) {
  EXPECT_EQ(lab::maker_of(lab::fresh_namespace_name()), ::getpid());
  EXPECT_NE(lab::fresh_namespace_name(), lab::fresh_namespace_name());
  EXPECT_EQ(lab::maker_of("murder-17-3"), 17);
  for (const char* other : {"", "murder", "murder-", "murder-17", "murder-17-", "murder--3",
                            "murder-0-1", "murder--5-1", "murder-17-x", "murder-17-3-4",
                            "production", "murder-99999999999999999999-1"})
    EXPECT_EQ(lab::maker_of(other), std::nullopt) << other;
}

}  // namespace
}  // namespace murder
