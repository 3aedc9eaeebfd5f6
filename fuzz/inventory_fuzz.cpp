// Lists of hosts and selections, as users and what makes lists for them give them: whatever is
// taken is fit to be an argument of ssh, and is written as something that is read as the same host.
#include "base/error.hpp"
#include "fleet/inventory.hpp"
#include "fleet/selection.hpp"
#include "harness.hpp"

using murder::fleet::Host;
using murder::fleet::Inventory;
using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  try {
    Inventory inventory;
    inventory.read_lines("-", input.substr(input.find('\n') + 1));
    std::vector<Host> hosts = inventory.take_hosts();
    if (hosts.size() > 100) hosts.resize(100);  // a range is quickly written
    for (const Host& host : hosts) {
      must_hold(!host.host.empty() && host.host.front() != '-' && !host.user.starts_with('-'));
      Inventory again;
      again.read_lines("-", target_of(host) + " name=x " + murder::fleet::labels_text(host.labels));
      const Host copy = again.take_hosts().at(0);
      must_hold(copy.host == host.host && copy.user == host.user && copy.port == host.port);
      must_hold(copy.labels == host.labels);
    }
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::usage);
  }
  try {
    Inventory inventory;
    inventory.read_list("--host", input);
    murder::fleet::Selection selection;
    selection.narrow(input.substr(0, input.find('\n')));
    must_hold(!selection.of(inventory.take_hosts()).empty());
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::usage);
  }
  return 0;
}
