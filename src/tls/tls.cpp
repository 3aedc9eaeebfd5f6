#include "tls/tls.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/context.hpp>
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
    SSL* const session = stream_.native_handle();
    if (IpAddress::parse(host)) {
      is_checked_ = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
    } else {
      SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      is_checked_ = SSL_set1_host(session, host.c_str()) == 1;
      SSL_set_tlsext_host_name(session, host.c_str());  // RFC 6066: names alone, no addresses
    }
  }

  void start(Callback callback) override {
    callback_ = std::move(callback);
    if (!is_checked_)
      return finish(asio::error::invalid_argument,
                    "its certificate cannot be checked for that host");
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

  bool is_checked_ = false;  // the certificate, for the host's name or address
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
