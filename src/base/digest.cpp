#include "base/digest.hpp"

#include <algorithm>
#include <new>
#include <openssl/evp.h>

namespace murder {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Fetched once: looking an algorithm up by name costs more than hashing a small piece.
const EVP_MD* sha1_algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return md;
}
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

void must(int ok) {
  if (ok != 1) throw std::bad_alloc();
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
  Sha1Digest digest;
  must(EVP_Digest(data.data(), data.size(), digest.bytes.data(), nullptr, sha1_algorithm(),
                  nullptr));
  return digest;
}

Sha256Digest sha256(ByteSpan data) {
  Sha256Digest digest;
  must(EVP_Digest(data.data(), data.size(), digest.bytes.data(), nullptr, sha256_algorithm(),
                  nullptr));
  return digest;
}

struct Sha256Stream::Impl {
  struct Free {
    void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
  Impl() {
    must(context != nullptr ? 1 : 0);
    must(EVP_DigestInit_ex(context.get(), sha256_algorithm(), nullptr));
  }
};

Sha256Stream::Sha256Stream() : impl_(std::make_unique<Impl>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteSpan data) {
  must(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()));
}

Sha256Digest Sha256Stream::finish() {
  Sha256Digest digest;
  must(EVP_DigestFinal_ex(impl_->context.get(), digest.bytes.data(), nullptr));
  must(EVP_DigestInit_ex(impl_->context.get(), sha256_algorithm(), nullptr));
  return digest;
}

}  // namespace murder
