// murder demo.
#include "base/error.hpp"
#include "cli/commands.hpp"

namespace murder::cli {

void add_demo(CLI::App&, Action&) {}

}  // namespace murder::cli
