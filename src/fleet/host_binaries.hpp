// The static binaries that hosts are given, read and compressed once, and off the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fleet/host_binary.hpp"

namespace murder::fleet {

class HostBinaries {
 public:
  /// All that there are, as hosts have to know them. Throws Error{failed} when there is none.
  boost::asio::awaitable<std::vector<BootstrapBinary>> all();
  /// For hosts of that machine (`uname -m`). Throws Error{failed} when there is none.
  boost::asio::awaitable<HostBinary> get(std::string machine);
  /// The same as gzip or xz writes it.
  boost::asio::awaitable<std::shared_ptr<const std::string>> compressed(std::string machine,
                                                                        Packing packing);
  /// Waits until nothing is read or compressed any more; to be used no more.
  void join() { reader_.join(); }

 private:
  boost::asio::thread_pool reader_{1};
  std::map<std::string, HostBinary> read_;
  std::map<std::pair<std::string, Packing>, std::shared_ptr<const std::string>> compressed_;
};

}  // namespace murder::fleet
