#include "tls/tls.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <unistd.h>

#include "base/endpoint.hpp"
#include "net/http_exchange.hpp"

namespace murder::tls {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using net::HttpExchange;

/// Where the distributions that OpenSSL was not built for keep what they trust.
constexpr const char* bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",  // Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",    // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",              // openSUSE
    "/etc/ssl/cert.pem",
};

void trust_system(ssl::context& context) {
  error_code ignored;
  context.set_default_verify_paths(ignored);
  const bool is_said = std::getenv(X509_get_default_cert_file_env()) != nullptr ||
                       std::getenv(X509_get_default_cert_dir_env()) != nullptr;
  if (is_said || ::access(X509_get_default_cert_file(), R_OK) == 0) return;
  for (const char* bundle : bundles) {
    if (::access(bundle, R_OK) != 0) continue;
    context.load_verify_file(bundle, ignored);
    return;
  }
}

ssl::context make_context() {
  ssl::context context(ssl::context::tls_client);
  context.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                      ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer);
  trust_system(context);
  return context;
}

/// Read when first needed: it takes milliseconds.
ssl::context& shared_context() {
  static ssl::context context = make_context();
  return context;
}

class TlsExchange : public net::HttpExchangeOver<ssl::stream<tcp::socket>> {
 public:
  TlsExchange(tcp::socket connected, const std::string& host, Request request,
              std::uint64_t max_body_bytes)
      : HttpExchangeOver(std::move(request), max_body_bytes, std::move(connected),
                         shared_context()) {
    stream_.set_verify_callback(ssl::host_name_verification(host));
    // RFC 6066: names alone, no addresses.
    if (!IpAddress::parse(host)) SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str());
  }

  void start(Callback callback) override {
    callback_ = std::move(callback);
    const auto self = std::static_pointer_cast<TlsExchange>(shared_from_this());
    stream_.async_handshake(ssl::stream_base::client, [self](error_code ec) {
      if (ec) return self->finish(ec, self->why_insecure(ec));
      if (self->callback_) self->send();
    });
  }

 private:
  std::string why_insecure(error_code ec) {
    const long verified = SSL_get_verify_result(stream_.native_handle());
    if (verified == X509_V_OK) return ec.message();
    return fmt::format("its certificate is not trusted: {}",
                       X509_verify_cert_error_string(verified));
  }
};

std::shared_ptr<HttpExchange> make_exchange(tcp::socket connected, const std::string& host,
                                            HttpExchange::Request request,
                                            std::uint64_t max_body_bytes) {
  return std::make_shared<TlsExchange>(std::move(connected), host, std::move(request),
                                       max_body_bytes);
}

}  // namespace

void install() { net::use_tls(&make_exchange); }

}  // namespace murder::tls
