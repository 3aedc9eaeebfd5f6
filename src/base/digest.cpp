// OpenSSL's functions of one algorithm each, although it would rather have EVP called: EVP looks
// algorithms up by name, and with that every cipher, the providers and the reader of openssl.cnf
// come along. They would make the static binary 1.4 MB larger (compressed, of 3.6), and it could be
// told by that file to load a library. The code that hashes is the same.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest.hpp"

#include <algorithm>
#include <openssl/sha.h>

namespace murder {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(ByteSpan data) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const std::uint8_t byte : data) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

template <std::size_t N, class Tag>
std::string Digest<N, Tag>::hex() const {
  return to_hex(bytes);
}

template <std::size_t N, class Tag>
std::optional<Digest<N, Tag>> Digest<N, Tag>::from_bytes(std::string_view raw) {
  if (raw.size() != N) return std::nullopt;
  Digest digest;
  std::copy(raw.begin(), raw.end(), digest.bytes.begin());
  return digest;
}

template <std::size_t N, class Tag>
std::optional<Digest<N, Tag>> Digest<N, Tag>::from_hex(std::string_view text) {
  if (text.size() != 2 * N) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < N; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

template struct Digest<20, Sha1Tag>;
template struct Digest<32, Sha256Tag>;
template struct Digest<20, InfoHashTag>;
template struct Digest<20, PeerIdTag>;

Sha1Digest sha1(ByteSpan data) {
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, data.data(), data.size());
  Sha1Digest digest;
  SHA1_Final(digest.bytes.data(), &context);
  return digest;
}

Sha256Digest sha256(ByteSpan data) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, data.data(), data.size());
  Sha256Digest digest;
  SHA256_Final(digest.bytes.data(), &context);
  return digest;
}

struct Sha256Stream::Impl {
  SHA256_CTX context;
  Impl() { SHA256_Init(&context); }
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteSpan data) {
  SHA256_Update(&impl_->context, data.data(), data.size());
}

Sha256Digest Sha256Stream::finish() {
  Sha256Digest digest;
  SHA256_Final(digest.bytes.data(), &impl_->context);
  SHA256_Init(&impl_->context);
  return digest;
}

}  // namespace murder
