#include "fleet/host_binaries.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::fleet {

namespace asio = boost::asio;

asio::awaitable<std::vector<BootstrapBinary>> HostBinaries::all() {
  const auto read = []() -> asio::awaitable<std::vector<HostBinary>> {
    co_return read_host_binaries();
  };
  const std::vector<HostBinary> found = co_await asio::co_spawn(reader_, read, asio::use_awaitable);
  std::vector<BootstrapBinary> binaries;
  for (const HostBinary& binary : found) {
    read_.emplace(binary.machine, binary);
    binaries.push_back(binary.to_bootstrap());
  }
  co_return binaries;
}

asio::awaitable<HostBinary> HostBinaries::get(std::string machine) {
  const std::string name = machine_name(machine);
  const auto found = read_.find(name);
  if (found != read_.end()) co_return found->second;
  // Named, here and below: GCC 12 destroys a closure twice that is made within a co_await.
  const auto read = [name]() -> asio::awaitable<HostBinary> {
    co_return read_host_binary(host_binary(name));
  };
  HostBinary binary = co_await asio::co_spawn(reader_, read, asio::use_awaitable);
  if (binary.machine != name)
    throw Error(ErrorKind::failed,
                fmt::format("there is no build of murder for {}: {} is for {}", printable(name),
                            binary.path.native(), binary.machine));
  co_return read_.emplace(name, std::move(binary)).first->second;
}

asio::awaitable<std::shared_ptr<const std::string>> HostBinaries::compressed(std::string machine,
                                                                             Packing packing) {
  const HostBinary binary = co_await get(machine);
  const std::string name = machine_name(machine);
  // The one thread takes one after another, so that who comes second finds it done.
  const auto compress = [this, name, packing,
                         binary]() -> asio::awaitable<std::shared_ptr<const std::string>> {
    auto& kept = compressed_[{name, packing}];
    if (!kept)
      kept = std::make_shared<const std::string>(
          compress_host_binary(binary, packing, default_cache()));
    co_return kept;
  };
  auto compressed = co_await asio::co_spawn(reader_, compress, asio::use_awaitable);
  co_return compressed;
}

}  // namespace murder::fleet
