#include "bittorrent/compact.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace murder {
namespace {

template <std::size_t N>
bool append_packed(std::vector<Endpoint>& out, std::string_view packed,
                   IpAddress (*make)(std::array<std::uint8_t, N>)) {
  constexpr std::size_t stride = N + 2;
  if (packed.size() % stride != 0) return false;
  for (; !packed.empty(); packed.remove_prefix(stride)) {
    std::array<std::uint8_t, N> address{};
    std::ranges::copy(packed.substr(0, N), address.begin());
    const auto port = static_cast<std::uint16_t>(static_cast<std::uint8_t>(packed[N]) << 8 |
                                                 static_cast<std::uint8_t>(packed[N + 1]));
    if (port != 0) out.push_back({make(address), port});
  }
  return true;
}

}  // namespace

CompactEndpoints encode_compact(const std::vector<Endpoint>& endpoints) {
  CompactEndpoints out;
  for (const auto& [address, port] : endpoints) {
    std::string& packed = address.is_v4() ? out.v4 : out.v6;
    if (address.is_v4()) {
      const auto bytes = address.v4_bytes();
      packed.append(bytes.begin(), bytes.end());
    } else {
      packed.append(address.bytes().begin(), address.bytes().end());
    }
    packed += static_cast<char>(port >> 8);
    packed += static_cast<char>(port & 0xff);
  }
  return out;
}

bool append_compact_v4(std::vector<Endpoint>& out, std::string_view packed) {
  return append_packed<4>(out, packed, IpAddress::v4);
}

bool append_compact_v6(std::vector<Endpoint>& out, std::string_view packed) {
  return append_packed<16>(out, packed, IpAddress::v6);
}

}  // namespace murder
