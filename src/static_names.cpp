// The static binary resolves no names: numeric addresses are parsed before anyone asks the system,
// and names are resolved where deploy runs. glibc's own getaddrinfo() would load the host's NSS
// modules into a program that holds another glibc, which crashes; so this one takes its place, also
// for the libraries.
#include <cerrno>
#include <netdb.h>

extern "C" {

int getaddrinfo(const char* /*name*/, const char* /*service*/, const addrinfo* /*hints*/,
                addrinfo** /*results*/) {
  errno = EOPNOTSUPP;
  return EAI_SYSTEM;
}

void freeaddrinfo(addrinfo* /*results*/) {}

}  // extern "C"
