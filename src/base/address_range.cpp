#include "base/address_range.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>

namespace murder {
namespace {

constexpr unsigned bits_before_v4 = 96;

bool bit(const IpAddress& address, unsigned index) {
  return (address.bytes()[index / 8] >> (7 - index % 8) & 1) != 0;
}

}  // namespace

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned before = address->is_v4() ? bits_before_v4 : 0;
  unsigned length = 128 - before;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    unsigned given = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), given);
    if (error != std::errc() || end != digits.data() + digits.size() || given > length)
      return std::nullopt;
    length = given;
  }
  AddressRange range;
  range.first_ = *address;
  range.bits_ = before + length;
  for (unsigned index = range.bits_; index < 128; ++index)
    if (bit(*address, index)) return std::nullopt;
  return range;
}

bool AddressRange::contains(const IpAddress& address) const {
  if (address.is_v4() != first_.is_v4()) return false;
  for (unsigned index = 0; index < bits_; ++index)
    if (bit(address, index) != bit(first_, index)) return false;
  return true;
}

std::string AddressRange::to_string() const {
  return fmt::format("{}/{}", first_.to_string(), bits_ - (first_.is_v4() ? bits_before_v4 : 0));
}

}  // namespace murder
