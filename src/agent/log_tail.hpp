// What a process that was started here said last, for the one who waits for it elsewhere.
#pragma once

#include <string>
#include <string_view>

namespace murder::agent {

/// The line that begins "murder: ", without that, if there is one: what ended the command. Else the
/// last lines that are no JSON. Empty: nothing.
std::string last_words(std::string_view log);

}  // namespace murder::agent
