// How events reach the user: as JSON lines on stdout (--json), or as talk on stderr. A terminal
// gets one progress line that is redrawn; a pipe gets plain lines.
#pragma once

#include <memory>

#include "events/event.hpp"

namespace murder::cli {

std::unique_ptr<events::EventSink> make_json_sink();
std::unique_ptr<events::EventSink> make_text_sink(bool quiet);

}  // namespace murder::cli
