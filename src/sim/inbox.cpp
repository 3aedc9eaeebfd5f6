#include "sim/inbox.hpp"

namespace murder::sim {
namespace {

struct Bytes {
  double operator()(const wire::KeepAlive&) const { return 4; }
  double operator()(const wire::Have&) const { return 9; }
  double operator()(const wire::Suggest&) const { return 9; }
  double operator()(const wire::AllowedFast&) const { return 9; }
  double operator()(const wire::Port&) const { return 7; }
  double operator()(const wire::Request&) const { return 17; }
  double operator()(const wire::Cancel&) const { return 17; }
  double operator()(const wire::Reject&) const { return 17; }
  double operator()(const wire::Piece&) const { return 13; }
  double operator()(const wire::Bitfield& m) const {
    return 5 + static_cast<double>(m.bits.size());
  }
  double operator()(const wire::Extended& m) const {
    return 6 + static_cast<double>(m.payload.size());
  }
  template <class Short>
  double operator()(const Short&) const {
    return 5;  // its length and its id
  }
};

}  // namespace

double message_bytes(const wire::Message& message) { return std::visit(Bytes{}, message); }

}  // namespace murder::sim
