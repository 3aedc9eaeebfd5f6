// Words for a POSIX shell.
#pragma once

#include <string>
#include <string_view>

namespace murder::fleet {

/// One word of a shell's command line that means exactly `text`, whatever is in it: "'it'\''s'". A
/// word that needs no quotes gets none.
std::string shell_quote(std::string_view text);

}  // namespace murder::fleet
