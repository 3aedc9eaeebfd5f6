// What is on its way in the virtual network: whose turn an uplink's next block is, which pipes it
// passes and when it arrives; and messages, which take of the same uplink and wait less.
#include <algorithm>
#include <utility>

#include "sim/limit.hpp"
#include "sim/world.hpp"

namespace murder::sim {
namespace {

constexpr std::uint64_t bytes_between = 128_KiB;  ///< on one link, sent and not yet taken in
constexpr double packet_header_bytes = 66;        ///< Ethernet, IP and TCP

}  // namespace

// --- messages ---

void Node::send(LinkId link, const wire::Message& message) {
  world.send_control(*this, link.value(), message);
}

void World::send_control(Node& node, std::uint32_t link, const wire::Message& message) {
  End* end = node.end(link);
  if (end == nullptr) return;
  Node& peer = *nodes_[end->peer_node];
  End* other = peer.end(end->peer_link);
  if (other == nullptr) return;
  const bool same_packet = end->said_at == now_;
  const bool with_block = node.beginning_on == link;
  const double bytes =
      message_bytes(message) + (same_packet || with_block ? 0 : packet_header_bytes);
  result_.control_bytes += static_cast<std::uint64_t>(bytes);
  const Duration time = time_for(bytes, node.up);
  const Instant free = node.uplink_busy ? node.uplink_until : now_;
  node.control_until = std::max(node.control_until, free) + time;
  if (!same_packet || other->inbox.empty()) {
    const bool waits = node.uplink_busy && node.uplink_on == link;
    const Instant leaves = (waits ? node.uplink_until : now_) + time;
    end->said_at = now_;
    end->heard_at = std::max(end->heard_at, leaves + options_.latency);
    push(end->heard_at, EventKind::control, peer.index, end->peer_link);
  }
  other->inbox.push(end->heard_at, message);
}

void World::control(Node& node, std::uint32_t link) {
  // The link may be closed by any of its messages.
  wire::Message message;
  for (End* end = node.end(link); end != nullptr && end->inbox.take(now_, message);
       end = node.end(link))
    node.engine->on_message(LinkId(link), message, now_);
}

// --- whose turn it is ---

void Node::rank_upload(LinkId link, std::uint32_t rank) {
  if (End* it = end(link.value())) it->rank = rank;
}

void Node::wake_upload(LinkId link) {
  End* it = end(link.value());
  if (it == nullptr) return;
  if (!std::exchange(it->wants_upload, true) &&
      std::find(waiting.begin(), waiting.end(), link.value()) == waiting.end())
    waiting.push_back(link.value());
  world.serve_soon(*this);
}

void World::serve_uplinks() {
  for (Node* node : to_serve_) {
    node->wants_service = false;
    serve_uplink(*node);
  }
  to_serve_.clear();
}

/// As real uplinks do (net::TurnQueue): the lowest rank goes next, of equals who has waited
/// longest; behind its equals when it has more.
void World::serve_uplink(Node& node) {
  if (node.uplink_busy || node.frozen || !node.up_and_running) return;
  for (;;) {
    auto next = node.waiting.end();
    for (auto it = node.waiting.begin(); it != node.waiting.end(); ++it) {
      const End& end = node.ends[*it - 1];
      if (end.wants_upload && end.in_flight >= bound_between(node)) continue;
      if (next == node.waiting.end() || end.rank < node.ends[*next - 1].rank) next = it;
    }
    if (next == node.waiting.end()) return;
    const std::uint32_t link = *next;
    End& end = node.ends[link - 1];
    node.waiting.erase(next);
    node.beginning_on = link;
    const auto block =
        end.wants_upload ? node.engine->next_block(LinkId(link), now_) : std::nullopt;
    node.beginning_on = 0;
    end.wants_upload = block.has_value();
    if (!block) continue;
    node.waiting.push_back(link);
    begin_block(node, link, *block);
    return;
  }
}

/// One block or the usual amount, and what fits into a round trip.
std::uint64_t World::bound_between(const Node& node) const {
  const double round_trip = 2 * to_seconds(options_.latency) * node.up.bytes_per_second;
  return std::max<std::uint64_t>(bytes_between, block_bytes_) +
         static_cast<std::uint64_t>(round_trip);
}

// --- blocks ---

void World::begin_block(Node& node, std::uint32_t link, const wire::Block& block) {
  End& end = node.ends[link - 1];
  const double bytes = block.length * wire_overhead;
  const Instant begin = std::max(now_, node.control_until);
  node.uplink_busy = true;
  node.uplink_on = link;
  node.uplink_until = begin + time_for(bytes, node.up);
  end.in_flight += block.length;
  push(node.uplink_until, EventKind::uplink_free, node.index, link, block);
  Node& receiver = *nodes_[end.peer_node];
  const Duration latency = options_.latency;
  const Passage there{begin + latency, node.uplink_until + latency};
  if (racks_.between(node.rack, receiver.rack))
    push(racks_.out_of(node.rack).pass(there, bytes).begin, EventKind::at_rack, receiver.index,
         end.peer_link, block);
  else
    push(receiver.downlink.pass(there, bytes).end, EventKind::block_in, receiver.index,
         end.peer_link, block);
}

/// A block between racks, its first byte: on to the next pipe of its way.
void World::on_the_way(Node& node, const Event& event) {
  const End* end = node.end(event.link);
  if (end == nullptr) return;
  const double bytes = event.block.length * wire_overhead;
  const Rate slowest = std::min(nodes_[end->peer_node]->up, racks_.rate());
  const Passage there{now_, now_ + time_for(bytes, slowest)};
  if (event.kind == EventKind::at_rack)
    push(racks_.into(node.rack).pass(there, bytes).begin, EventKind::at_host, node.index,
         event.link, event.block);
  else
    push(node.downlink.pass(there, bytes).end, EventKind::block_in, node.index, event.link,
         event.block);
}

void World::uplink_free(Node& node, const Event& event) {
  node.uplink_busy = false;
  node.bytes_up += event.block.length;
  serve_soon(node);
  if (node.end(event.link) != nullptr)
    node.engine->on_block_sent(LinkId(event.link), event.block, now_);
}

void World::block_in(Node& node, const Event& event) {
  const End* end = node.end(event.link);
  if (end == nullptr) return;
  Node& sender = *nodes_[end->peer_node];
  if (End* other = sender.end(end->peer_link)) {
    other->in_flight -= event.block.length;
    serve_soon(sender);
  }
  const LinkId link(event.link);
  const bool wanted = node.engine->on_block_begin(link, event.block, now_);
  if (wanted && sender.poisoner) node.tainted.insert(event.block.piece);
  node.engine->on_block_progress(link, event.block.length, now_);
  node.engine->on_block_end(link, event.block, now_);
}

}  // namespace murder::sim
