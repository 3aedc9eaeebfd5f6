#include "fleet/payload.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.hpp"

namespace murder::fleet {

std::string state_of(int fd, const std::string& path) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw_system_error("cannot look at", path, errno);
  return fmt::format("{} {}.{:09}", st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

std::string describe_change(const Payload& payload) {
  return fmt::format(
      "{} was changed while it was being deployed: nothing is switched; deploy again when nobody "
      "writes it",
      payload.path);
}

}  // namespace murder::fleet
