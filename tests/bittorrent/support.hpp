// What the codecs' tests share: expected failures, and generators of values and of damage.
#pragma once

#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/error.hpp"

namespace murder::testing {

/// True when `operation` throws an Error of this kind whose message holds `part`.
template <class F>
::testing::AssertionResult fails_with(ErrorKind kind, std::string_view part, F&& operation) {
  try {
    operation();
  } catch (const Error& error) {
    if (error.kind() != kind)
      return ::testing::AssertionFailure() << "kind " << error.exit_status() << ", not "
                                           << static_cast<int>(kind) << ": " << error.what();
    if (std::string_view(error.what()).find(part) == std::string_view::npos)
      return ::testing::AssertionFailure() << "'" << part << "' is not in: " << error.what();
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "nothing was thrown; expected '" << part << "'";
}

/// Bytes from hexadecimal; spaces are for the eye.
inline std::string unhex(std::string_view text) {
  std::string out;
  std::string digits;
  for (const char c : text)
    if (c != ' ') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return out;
}

inline rc::Gen<std::string> any_bytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

inline rc::Gen<std::string> bytes_of(std::string alphabet) {
  return rc::gen::container<std::string>(rc::gen::elementOf(std::move(alphabet)));
}

/// Bytes that look random, from one generated number: cheap to make and to shrink.
template <class D>
rc::Gen<D> any_digest() {
  return rc::gen::map(rc::gen::arbitrary<std::uint64_t>(), [](std::uint64_t number) {
    const Sha256Digest hash = sha256(std::to_string(number));
    return *D::from_bytes(hash.view().substr(0, D::size));
  });
}

inline rc::Gen<IpAddress> any_v4() {
  return rc::gen::map(rc::gen::arbitrary<std::array<std::uint8_t, 4>>(), IpAddress::v4);
}

inline rc::Gen<IpAddress> any_v6() {
  return rc::gen::map(rc::gen::arbitrary<std::array<std::uint8_t, 16>>(), IpAddress::v6);
}

inline rc::Gen<std::uint16_t> any_port() {
  return rc::gen::map(rc::gen::inRange(1, 65536),
                      [](int port) { return static_cast<std::uint16_t>(port); });
}

inline rc::Gen<std::vector<Endpoint>> endpoints_of(const rc::Gen<IpAddress>& addresses) {
  return rc::gen::container<std::vector<Endpoint>>(
      rc::gen::construct<Endpoint>(addresses, any_port()));
}

/// `valid` with a few bytes overwritten, left out or put in, and perhaps its end cut off.
inline rc::Gen<std::string> damaged(std::string valid) {
  return rc::gen::exec([valid = std::move(valid)] {
    std::string bytes = valid;
    const int edits = *rc::gen::inRange(1, 5);
    for (int i = 0; i < edits && !bytes.empty(); ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      const char byte = *rc::gen::oneOf(rc::gen::arbitrary<char>(),
                                        rc::gen::elementOf(std::string("0123456789:ilde-")));
      switch (*rc::gen::inRange(0, 4)) {
        case 0:
          bytes[at] = byte;
          break;
        case 1:
          bytes.erase(at, 1);
          break;
        case 2:
          bytes.insert(at, 1, byte);
          break;
        default:
          bytes.resize(at);
          break;
      }
    }
    return bytes;
  });
}

}  // namespace murder::testing
