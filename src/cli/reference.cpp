#include "cli/reference.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <numeric>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::cli {
namespace {

constexpr int plain_copies = 3;
constexpr double long_copy_s = 20;
constexpr std::size_t fan_out_at_most = 3;
constexpr Rate open_link{12.5e9};

/// A copy under way cannot be called off, but made short: when a signal comes, the links that it
/// goes over are opened as far as they go.
class LinkOpener {
 public:
  LinkOpener(lab::Lab& lab, std::size_t hosts, const SignalWatch& signals)
      : lab_(lab), hosts_(hosts), finished_(::eventfd(0, EFD_CLOEXEC)) {
    if (!finished_) throw_system_error("cannot make", "an event descriptor", errno);
    thread_ = std::thread([this, fd = signals.fd()] { watch(fd); });
  }
  ~LinkOpener() {
    ::eventfd_write(finished_.get(), 1);
    thread_.join();
  }
  LinkOpener(const LinkOpener&) = delete;
  LinkOpener& operator=(const LinkOpener&) = delete;

 private:
  void watch(int signals) noexcept {
    std::array<pollfd, 2> waiting{{{finished_.get(), POLLIN, 0}, {signals, POLLIN, 0}}};
    while (::poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
    }
    if (waiting[1].revents == 0 || !lab_.has_shaped_links()) return;
    try {
      for (std::size_t host = 0; host <= hosts_; ++host)
        lab_.set_link(host, {open_link, open_link});
    } catch (const Error&) {
      return;  // then the copy takes as long as it takes
    }
  }

  lab::Lab& lab_;
  std::size_t hosts_;
  UniqueFd finished_;
  std::thread thread_;
};

}  // namespace

Reference measure_reference(lab::Lab& lab, const std::filesystem::path& file, Rate link,
                            SignalWatch& signals) {
  const std::size_t fan_out = std::min(fan_out_at_most, lab.host_count() - 1);
  const std::uint64_t size = file_size(open_file(file, O_RDONLY).get(), file);
  const double expected_s = static_cast<double>(size) / link.bytes_per_second;
  const Duration limit =
      std::chrono::minutes(1) + from_seconds(expected_s * 3 * static_cast<double>(fan_out));
  const LinkOpener opener(lab, fan_out, signals);

  Reference reference;
  std::vector<double> times;
  while (times.size() < plain_copies && (times.empty() || times.front() <= long_copy_s)) {
    times.push_back(to_seconds(lab::plain_copy(lab, 0, 1, file, limit)));
    signals.check();
  }
  std::ranges::sort(times);
  reference.plain_copy_s = times[times.size() / 2];

  std::vector<std::size_t> hosts(fan_out);
  std::iota(hosts.begin(), hosts.end(), std::size_t{1});
  reference.fan_out_hosts = fan_out;
  reference.fan_out_s = to_seconds(lab::fan_out_copy(lab, 0, hosts, file, limit));
  signals.check();
  return reference;
}

}  // namespace murder::cli
