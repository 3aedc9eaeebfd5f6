// What each message from a peer means.
#include <algorithm>
#include <fmt/format.h>

#include "bittorrent/peer_extensions.hpp"
#include "swarm/engine.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {

struct Engine::Visitor {
  Engine& engine;
  Link& link;
  Instant now;

  void violation(const std::string& what) { engine.drop(link.id, what, true, now); }

  void operator()(const wire::KeepAlive&) {}
  void operator()(const wire::Choke&) {
    if (link.murder) return;
    link.they_choke = true;
    // With BEP 6 each request is rejected by name; without, a choke forgets them all.
    if (!link.fast) {
      engine.release_requests(link, now, false);
      engine.request_everywhere(now);
    }
  }
  void operator()(const wire::Unchoke&) {
    link.they_choke = false;
    engine.request_more(link, now);
  }
  void operator()(const wire::Interested&) {
    link.they_are_interested = true;
    if (!link.murder) engine.assign_stock_slots(now);
  }
  void operator()(const wire::NotInterested&) {
    link.they_are_interested = false;
    if (!link.murder) engine.assign_stock_slots(now);
  }
  void operator()(const wire::Have& have) {
    if (have.piece.value() >= link.theirs.size())
      return violation(
          fmt::format("announced piece {} of {}", have.piece.value(), link.theirs.size()));
    engine.they_have(link, have.piece);
    if (engine.seed_ && link.murder) {
      const bool opened = engine.seed_->seen(have.piece);
      engine.seed_->moved(link.id);
      engine.last_moved_ = now;
      if (opened)
        engine.open_to_all(now);
      else
        engine.show_more(link, now);
    }
    engine.after_they_have(link, now);
  }
  void operator()(const wire::Bitfield& message) {
    const auto field = Bitfield::from_wire(message.bits, link.theirs.size());
    if (!field) return violation("sent a bitfield of the wrong size");
    all_of(*field);
  }
  void operator()(const wire::HaveAll&) {
    Bitfield field(link.theirs.size());
    field.set_all();
    all_of(field);
  }
  void operator()(const wire::HaveNone&) {}
  void all_of(const Bitfield& field) {
    field.for_each_not_in(link.theirs, [&](PieceIndex piece) {
      engine.they_have(link, piece);
      if (engine.seed_ && link.murder) engine.seed_->seen(piece);
    });
    // What they have was taken out of the windows: those are to be filled again.
    if (engine.seed_ && link.murder) engine.open_to_all(now);
    engine.after_they_have(link, now);
  }
  void operator()(const wire::Request& request) { engine.queue_upload(link, request.block, now); }
  void operator()(const wire::Cancel& cancel) {
    const auto it = std::find(link.upload.begin(), link.upload.end(), cancel.block);
    if (it != link.upload.end()) link.upload.erase(it);
  }
  void operator()(const wire::Piece&) {}  // blocks come through on_block_begin and on_block_end
  void operator()(const wire::Port&) {}
  void operator()(const wire::Suggest&) {}
  void operator()(const wire::AllowedFast&) {}
  void operator()(const wire::Unknown&) {}
  void operator()(const wire::Reject& reject) {
    const auto it = std::find_if(link.outstanding.begin(), link.outstanding.end(),
                                 [&](const auto& o) { return o.block == reject.block; });
    if (it == link.outstanding.end() || it->arriving) return;
    const PieceIndex piece = reject.block.piece;
    engine.return_block(link, *it);
    link.outstanding_bytes -= it->block.length;
    engine.config_.down.give_back(it->block.length, now);
    link.outstanding.erase(it);
    // Not theirs to give after all; a choking peer keeps what it has.
    if (!link.they_choke && link.theirs.reset(piece)) engine.picker_.remove_availability(piece);
    PieceInHand* state = engine.picker_.in_hand(piece);
    if (state != nullptr && state->owner == link.id) engine.picker_.release(piece);
    engine.request_everywhere(now);
  }
  void operator()(const wire::Extended& message) {
    if (message.id == wire::our_ut_metadata)
      return engine.give_metadata(link, message.payload, now);
    if (message.id == wire::our_ut_pex) return engine.hear_of_peers(link, message.payload, now);
    if (message.id != 0) return;
    const auto hello = wire::decode_extension_handshake(message.payload);
    if (!hello) return;
    link.upload_only = hello->upload_only;
    link.ut_metadata = hello->ut_metadata;
    link.ut_pex = hello->ut_pex;
    link.listen_port = hello->listen_port;
    if (link.murder) {
      link.progress = steps_of(std::min(hello->have_pieces, config().geometry.piece_count()),
                               config().geometry);
      engine.rank_uploads();
    }
    if (link.murder && hello->max_block_bytes >= unit_bytes)
      link.block_bytes = std::min({config().geometry.piece_length, hello->max_block_bytes,
                                   engine.largest_block(config().down)});
  }
  const EngineConfig& config() const { return engine.config_; }
};

void Engine::on_message(LinkId id, const wire::Message& message, Instant now) {
  Link* link = find(id);
  if (link == nullptr) return;
  link->last_heard = link->ask_again_at = now;
  std::visit(Visitor{*this, *link, now}, message);
}

}  // namespace murder::swarm
