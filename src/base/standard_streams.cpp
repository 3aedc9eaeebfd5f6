#include "base/standard_streams.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder {
namespace {

/// The ends of a pipe whose other ends are closed.
void use_broken_pipe() {
  int for_reading[2];
  int for_writing[2];
  if (::pipe2(for_reading, O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  const UniqueFd at_end(for_reading[0]);
  ::close(for_reading[1]);
  if (::pipe2(for_writing, O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  const UniqueFd lost(for_writing[1]);
  ::close(for_writing[0]);
  ::dup2(at_end.get(), 0);
  ::dup2(lost.get(), 1);
  ::dup2(lost.get(), 2);
}

}  // namespace

void let_go_of_standard_streams() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return use_broken_pipe();
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null.get(), fd);
}

}  // namespace murder
