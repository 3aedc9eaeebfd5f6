#include "agent/agent.hpp"

#include <boost/asio/io_context.hpp>
#include <fcntl.h>

#include "agent/session.hpp"
#include "net/signals.hpp"

namespace murder::agent {
namespace {

/// The loop makes descriptors non-blocking, and others may share what they stand for: the shell
/// that this was started from, for one.
class FlagsOf {
 public:
  explicit FlagsOf(int fd) : fd_(fd), flags_(::fcntl(fd, F_GETFL)) {}
  FlagsOf(const FlagsOf&) = delete;
  FlagsOf& operator=(const FlagsOf&) = delete;
  ~FlagsOf() {
    if (flags_ >= 0) ::fcntl(fd_, F_SETFL, flags_);
  }

 private:
  int fd_;
  int flags_;
};

}  // namespace

int run_agent(const AgentOptions& options, Log log) {
  net::ignore_sigpipe();
  const FlagsOf input(options.input);
  const FlagsOf output(options.output);
  boost::asio::io_context io(1);
  Session session(io, options, std::move(log));
  io.run();
  return session.status();
}

}  // namespace murder::agent
