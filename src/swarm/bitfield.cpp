#include "swarm/bitfield.hpp"

namespace murder::swarm {

std::string Bitfield::to_wire() const {
  std::string bits((size_ + 7) / 8, '\0');
  for (std::uint32_t i = 0; i < size_; ++i)
    if (test(PieceIndex(i)))
      bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | (0x80u >> (i % 8)));
  return bits;
}

std::optional<Bitfield> Bitfield::from_wire(std::string_view bits, std::uint32_t size) {
  if (bits.size() != (std::size_t{size} + 7) / 8) return std::nullopt;
  Bitfield field(size);
  for (std::uint32_t i = 0; i < bits.size() * 8; ++i) {
    if ((static_cast<unsigned char>(bits[i / 8]) & (0x80u >> (i % 8))) == 0) continue;
    if (i >= size) return std::nullopt;
    field.set(PieceIndex(i));
  }
  return field;
}

}  // namespace murder::swarm
