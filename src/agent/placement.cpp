#include "agent/placement.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <optional>

#include "base/error.hpp"
#include "host/destination.hpp"
#include "host/placement.hpp"

namespace murder::agent {
namespace {

murder::Placement read(const orders::Placement& order) {
  const auto content = Sha256Digest::from_hex(order.content);
  murder::Placement placement;
  placement.target = order.target;
  if (!content || !placement.target.is_absolute() || !placement.target.has_filename())
    throw Error(ErrorKind::usage, fmt::format("cannot place anything at \"{}\": not a whole path",
                                              printable(order.target)));
  placement.is_file = order.file;
  placement.content = *content;
  placement.bytes = order.bytes;
  placement.mode = order.mode;
  placement.owner = parse_owner(order.owner);
  placement.replace = order.replace;
  return placement;
}

}  // namespace

void look_at_target(const orders::Placement& placement, orders::View& view,
                    const std::stop_token& stop) {
  TargetState found = murder::look_at_target(read(placement), stop);
  view.in_place = found.same;
  view.in_the_way = std::move(found.in_the_way);
}

orders::Placed place(const orders::Place& order, const std::stop_token& stop) {
  const murder::Placement placement = read(order.placement);
  orders::Placed answer;
  std::optional<Destination> destination;
  try {
    destination.emplace(Destination::open(order.dest, Destination::Mode::existing));
  } catch (const Error&) {
    // Placed before, on a session that was lost before it could say so?
    if (murder::look_at_target(placement, stop).same) return answer;
    throw;
  }
  answer.replaced = murder::place(*destination, order.tag, placement, stop);
  if (!remove_staging(*destination))
    answer.left =
        fmt::format("{} could not be removed: {}", printable(order.dest), system_reason(errno));
  return answer;
}

}  // namespace murder::agent
