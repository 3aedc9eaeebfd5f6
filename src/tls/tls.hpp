// TLS for net::HttpGet, through OpenSSL: for programs that fetch from https:// servers.
#pragma once

namespace murder::tls {

/// Call once, before any thread. Certificates are checked against those that the system trusts, or
/// those of $SSL_CERT_FILE and $SSL_CERT_DIR.
void install();

}  // namespace murder::tls
