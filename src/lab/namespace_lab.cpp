// Hosts as network namespaces. Each has one end of a veth pair as eth0; the other end is a port of
// a bridge, in a namespace of its own, so that the machine's own network sees nothing of it.
//
// Shaping: tbf on eth0 is the host's uplink, tbf on its port of the bridge the downlink.
//
// The bridge is also the hosts' gateway: a host knows one neighbour, the bridge, and the bridge
// knows the hosts, all set by hand. On one flat network every host would learn every other by ARP,
// and the kernel's neighbour table, which all namespaces share, is full at 1,024 entries
// (net.ipv4.neigh.default.gc_thresh3): of 40 hosts that all talked to each other 536 of 1,560
// pairs got nothing across. It also keeps ARP out of the shaped queues.
//
// Two racks are two such bridges, joined by a veth pair with tbf on both ends. A longer round trip
// and lost packets are made where all packets pass, at the bridge.
#include "lab/namespace_lab.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <sstream>
#include <string_view>
#include <unistd.h>

#include "base/error.hpp"
#include "lab/batch.hpp"
#include "lab/netns.hpp"

namespace murder::lab {
namespace {

constexpr std::size_t ports_of_a_bridge = 1023;  // numbered from 1 in ten bits
constexpr std::size_t batches_at_once = 8;

// 198.18.0.0/15 is set aside for such networks (RFC 2544): it is nobody's real address.
constexpr std::string_view network = "198.18.0.0/15";
const IpAddress gateway = IpAddress::v4({198, 19, 255, 254});

IpAddress address_of(std::size_t host) {
  const std::size_t number = host + 1;
  return IpAddress::v4(
      {198, 18, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xff)});
}

/// A locally administered MAC address made of the IP address.
std::string mac_of(const IpAddress& address) {
  const auto b = address.v4_bytes();
  return fmt::format("02:00:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3]);
}

std::string port_of(std::size_t host) { return fmt::format("p{}", host); }

/// The tc command that shapes what `device` sends. "replace" keeps the queue of one that is there.
std::string shape(std::string_view device, Rate rate) {
  constexpr double burst_seconds = 0.004;
  constexpr double queue_seconds = 0.020;
  const double bytes = rate.bytes_per_second;
  return fmt::format("qdisc replace dev {} root tbf rate {:.0f}bit burst {:.0f} limit {:.0f}\n",
                     device, bytes * 8,
                     std::max(static_cast<double>(64_KiB), burst_seconds * bytes),
                     std::max(static_cast<double>(256_KiB), queue_seconds * bytes));
}

void set_sysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/net/" + name;
  const UniqueFd fd = open_file(path, O_WRONLY);
  const ssize_t written = ::write(fd.get(), value.data(), value.size());
  if (written < 0) throw_system_error(fmt::format("cannot write '{}' to", value), path, errno);
}

void check(const LabOptions& options) {
  if (options.hosts < 1 || options.hosts > ports_of_a_bridge)
    throw Error(ErrorKind::usage,
                fmt::format("cannot make a lab of {} hosts: 1 to {}, a bridge has no more ports",
                            options.hosts, ports_of_a_bridge));
  if (options.racks &&
      (options.racks->first_rack < 1 || options.racks->first_rack >= options.hosts))
    throw Error(ErrorKind::usage, "cannot make two racks: each needs a host");
  if (options.racks && !(options.racks->between.bytes_per_second >= 1))
    throw Error(ErrorKind::usage, "cannot shape a link to less than one byte per second");
  constexpr std::chrono::seconds longest{10};
  if (options.round_trip < Duration::zero() || options.round_trip > longest)
    throw Error(ErrorKind::usage, "cannot make a round trip: 0 to 10 s");
  if (options.racks && options.round_trip > Duration::zero())
    throw Error(ErrorKind::usage, "cannot make two racks and a longer round trip at once");
  if (!(options.loss >= 0 && options.loss <= 0.5))
    throw Error(ErrorKind::usage, "cannot lose that share of packets: 0 to 0.5");
}

void check(const Link& link) {
  if (!(link.up.bytes_per_second >= 1) || !(link.down.bytes_per_second >= 1))
    throw Error(ErrorKind::usage, "cannot shape a link to less than one byte per second");
}

/// Runs batches side by side, a few at a time. The first one refused is what finish() or add()
/// throws; those still running are then ended.
class BatchQueue {
 public:
  void add(Batch batch) {
    running_.push_back(std::move(batch));
    if (running_.size() >= batches_at_once) finish_one();
  }
  void finish() {
    while (!running_.empty()) finish_one();
  }

 private:
  void finish_one() {
    Batch batch = std::move(running_.front());
    running_.pop_front();
    batch.finish();
  }
  std::deque<Batch> running_;
};

}  // namespace

NamespaceLab::NamespaceLab(const LabOptions& options)
    : options_(options), shaped_(options.link.has_value()) {
  check(options);
  if (options.link) check(*options.link);
  try {
    spawner_.emplace();
    remove_namespaces(stale_namespaces());
    make_namespaces();
    for (std::size_t rack = 0; rack < rack_count(); ++rack) make_bridge(rack);
    if (options_.racks) join_racks();
    if (options_.loss > 0)
      for (std::size_t rack = 0; rack < rack_count(); ++rack) lose_packets(rack);
    if (options_.round_trip > Duration::zero()) make_relay();
    make_hosts();
  } catch (const Error& error) {
    relay_.reset();
    spawner_.reset();
    remove_namespaces(names_);
    throw Error(error.kind(),
                fmt::format("cannot make a lab of {} hosts: {}", options.hosts, error.what()));
  } catch (...) {
    relay_.reset();
    spawner_.reset();
    remove_namespaces(names_);
    throw;
  }
}

NamespaceLab::~NamespaceLab() {
  spawner_.reset();
  relay_.reset();
  remove_namespaces(names_);
}

void NamespaceLab::make_namespaces() {
  std::string lines;
  for (std::size_t i = 0; i < rack_count() + options_.hosts; ++i) {
    names_.push_back(fresh_namespace_name());
    lines += fmt::format("netns add {}\n", names_.back());
  }
  Batch(*spawner_, "ip", -1, lines).finish();
}

void NamespaceLab::make_bridge(std::size_t rack) {
  const UniqueFd bridge = bridge_of(rack);
  inside_namespace(bridge.get(), [] {
    set_sysctl("ipv4/ip_forward", "1");
    // A gateway that sends packets back out where they came from would tell hosts to go direct.
    set_sysctl("ipv4/conf/all/send_redirects", "0");
    set_sysctl("ipv4/conf/default/send_redirects", "0");
    // What the relay gives back has a sender that the bridge knows elsewhere.
    set_sysctl("ipv4/conf/all/rp_filter", "0");
    set_sysctl("ipv4/conf/default/rp_filter", "0");
    // Bridged packets are nobody's to filter; the setting exists where br_netfilter is loaded.
    if (::access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0)
      set_sysctl("bridge/bridge-nf-call-iptables", "0");
  });

  // Both ends are made where they belong, so that no name clashes with a device of the machine.
  // No link-local IPv6: its neighbour discovery would load the shaped links at the start.
  std::string links;
  std::string ports = fmt::format(
      "link add br0 address {} type bridge\n"
      "link set br0 addrgenmode none up\n"
      "addr add {}/15 dev br0\n",
      mac_of(gateway), gateway.to_string());
  std::string places;
  std::string shapes;
  for (std::size_t host = 0; host < options_.hosts; ++host) {
    if (rack_of(host) != rack) continue;
    const std::string mac = mac_of(address_of(host));
    const std::string port = port_of(host);
    links += fmt::format("link add name eth0 address {} netns {} type veth peer name {} netns {}\n",
                         mac, name_of(host), port, names_[rack]);
    ports += fmt::format(
        "link set {} addrgenmode none master br0 up\n"
        "neigh add {} lladdr {} dev br0 nud permanent\n",
        port, address_of(host).to_string(), mac);
    places += fmt::format("fdb add {} dev {} master static\n", mac, port);
    if (options_.link) shapes += shape(port, options_.link->down);
  }
  Batch(*spawner_, "ip", -1, links).finish();
  Batch(*spawner_, "ip", bridge.get(), ports).finish();
  // Without this, what goes to a host that has not spoken yet would go to all of them.
  Batch(*spawner_, "bridge", bridge.get(), places).finish();
  if (options_.link) Batch(*spawner_, "tc", bridge.get(), shapes).finish();
}

void NamespaceLab::join_racks() {
  const UniqueFd first = bridge_of(0);
  const UniqueFd second = bridge_of(1);
  const IpAddress link[] = {IpAddress::v4({198, 19, 255, 249}), IpAddress::v4({198, 19, 255, 250})};
  Batch(*spawner_, "ip", -1,
        fmt::format("link add name rack address {} netns {} type veth peer name rack address {} "
                    "netns {}\n",
                    mac_of(link[0]), names_[0], mac_of(link[1]), names_[1]))
      .finish();
  for (std::size_t rack = 0; rack < 2; ++rack) {
    const IpAddress& other = link[1 - rack];
    std::string lines = fmt::format(
        "link set rack addrgenmode none up\n"
        "neigh add {} lladdr {} dev rack nud permanent\n",
        other.to_string(), mac_of(other));
    for (std::size_t host = 0; host < options_.hosts; ++host)
      if (rack_of(host) != rack)
        lines += fmt::format("route add {}/32 via {} dev rack onlink\n",
                             address_of(host).to_string(), other.to_string());
    const UniqueFd& bridge = rack == 0 ? first : second;
    Batch(*spawner_, "ip", bridge.get(), lines).finish();
    Batch(*spawner_, "tc", bridge.get(), shape("rack", options_.racks->between)).finish();
  }
}

void NamespaceLab::lose_packets(std::size_t rack) {
  constexpr double steps = 100'000;
  // What goes to the other rack passes two bridges, but is lost at the first or not at all.
  const UniqueFd bridge = bridge_of(rack);
  const pid_t pid = spawner_->spawn(
      {.argv = {"nft", fmt::format("add table ip lab; add chain ip lab forward {{ type filter hook "
                                   "forward priority 0; }}; add rule ip lab forward iifname br0 "
                                   "numgen random mod {:.0f} < {:.0f} counter drop",
                                   steps, std::max(1.0, options_.loss * steps))},
       .network_namespace_fd = bridge.get()});
  if (Process(pid).wait() != 0)
    throw Error(ErrorKind::failed, "'nft add rule' was refused: packets cannot be lost on purpose");
}

void NamespaceLab::make_relay() {
  const UniqueFd bridge = bridge_of(0);
  inside_namespace(bridge.get(), [&] {
    relay_ = std::make_unique<DelayRelay>("delay", options_.round_trip / 2);
  });
  // What comes from a host is held; what comes from the relay goes the ordinary way.
  Batch(*spawner_, "ip", bridge.get(),
        "route add default dev delay table 100\n"
        "rule add iif br0 lookup 100 priority 100\n")
      .finish();
}

void NamespaceLab::make_hosts() {
  // An attribute of the route, because the sysctl of a namespace takes only what the machine's
  // net.ipv4.tcp_allowed_congestion_control lists. It holds for both ends of a connection.
  const std::string congestion_control =
      options_.congestion_control.empty() ? "" : " congctl " + options_.congestion_control;
  // TCP hands down up to 64 KiB as one packet, and all of it would be lost at once.
  const std::string one_packet_at_a_time = options_.loss > 0 ? "gso_max_segs 1" : "";
  BatchQueue batches;
  for (std::size_t host = 0; host < options_.hosts; ++host) {
    const UniqueFd own = open_namespace(name_of(host));
    batches.add(
        Batch(*spawner_, "ip", own.get(),
              fmt::format("link set lo up\n"
                          "addr add {0}/32 dev eth0\n"
                          "link set eth0 addrgenmode none {4} up\n"
                          "neigh add {1} lladdr {2} dev eth0 nud permanent\n"
                          "route add {3} via {1} dev eth0 onlink{5}\n",
                          address_of(host).to_string(), gateway.to_string(), mac_of(gateway),
                          network, one_packet_at_a_time, congestion_control)));
    if (options_.link)
      batches.add(Batch(*spawner_, "tc", own.get(), shape("eth0", options_.link->up)));
  }
  batches.finish();
}

const std::string& NamespaceLab::name_of(std::size_t host) const {
  if (host >= options_.hosts)
    throw Error(ErrorKind::failed, fmt::format("the lab has no host {}, only {} hosts, from 0 on",
                                               host, options_.hosts));
  return names_[rack_count() + host];
}

std::size_t NamespaceLab::rack_of(std::size_t host) const {
  return options_.racks && host >= options_.racks->first_rack ? 1 : 0;
}

UniqueFd NamespaceLab::bridge_of(std::size_t rack) const { return open_namespace(names_[rack]); }

std::optional<RelayStats> NamespaceLab::relay_stats() const {
  if (!relay_) return std::nullopt;
  return relay_->stats();
}

IpAddress NamespaceLab::address(std::size_t host) const {
  name_of(host);
  return address_of(host);
}

Process NamespaceLab::spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                            int stderr_fd) {
  const UniqueFd own = open_namespace(name_of(host));
  return Process(spawner_->spawn({.argv = argv,
                                  .network_namespace_fd = own.get(),
                                  .stdout_fd = stdout_fd,
                                  .stderr_fd = stderr_fd}));
}

void NamespaceLab::on_host(std::size_t host, const std::function<void()>& work) {
  inside_namespace(open_namespace(name_of(host)).get(), work);
}

std::uint64_t NamespaceLab::bytes_sent(std::size_t host) const {
  std::string table;
  inside_namespace(open_namespace(name_of(host)).get(),
                   [&] { table = read_file("/proc/thread-self/net/dev"); });
  // "  eth0: " and then eight columns of what was received before bytes sent (proc_net_dev(5)).
  constexpr std::string_view mark = "eth0:";
  const std::size_t at = table.find(mark);
  if (at == std::string::npos)
    throw Error(ErrorKind::failed,
                fmt::format("cannot read the counters of host {}: it has no eth0", host));
  std::istringstream columns(table.substr(at + mark.size()));
  std::array<std::uint64_t, 9> values{};
  for (std::uint64_t& value : values) columns >> value;
  return values.back();
}

void NamespaceLab::set_link(std::size_t host, const Link& link) {
  check(link);
  const UniqueFd own = open_namespace(name_of(host));
  const UniqueFd bridge = bridge_of(rack_of(host));
  Batch up(*spawner_, "tc", own.get(), shape("eth0", link.up));
  Batch down(*spawner_, "tc", bridge.get(), shape(port_of(host), link.down));
  up.finish();
  down.finish();
  shaped_ = true;
}

void NamespaceLab::unplug(std::size_t host) { set_port(host, "down"); }

void NamespaceLab::plug_in(std::size_t host) { set_port(host, "up"); }

void NamespaceLab::set_port(std::size_t host, const char* state) {
  name_of(host);
  const UniqueFd bridge = bridge_of(rack_of(host));
  Batch(*spawner_, "ip", bridge.get(), fmt::format("link set {} {}\n", port_of(host), state))
      .finish();
}

}  // namespace murder::lab
