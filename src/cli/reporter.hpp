// Where a command's events go: as JSON lines to stdout (--json), or as data to stdout and talk to
// stderr.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "cli/live_lines.hpp"
#include "events/event.hpp"

namespace murder::cli {

/// One thread. What cannot be written because nobody reads it any more is dropped: a transfer does
/// not end for it.
class Reporter : public events::EventSink {
 public:
  /// A line of talk. Nothing with --json or --quiet.
  virtual void say(std::string_view line) = 0;
  /// Lines that are redrawn, as LiveLines::show(). Nothing with --json or --quiet.
  virtual void show(const std::vector<LiveLine>& lines) = 0;
  /// Data that is no event, to stdout. Nothing with --json.
  virtual void data(std::string_view text) = 0;
  /// Takes away what is redrawn; before others write to the terminal, and at the end.
  virtual void settle() = 0;
  /// Nobody listens any more: from now on nothing is written but what --events asks for.
  virtual void go_silent() = 0;
};

std::unique_ptr<Reporter> make_json_reporter();
std::unique_ptr<Reporter> make_text_reporter(bool quiet);
/// As `other`, and every event as a line of this file too (--events), which is made anew.
/// Error{usage} when it cannot be.
std::unique_ptr<Reporter> also_into_file(std::unique_ptr<Reporter> other,
                                         const std::filesystem::path& file);

}  // namespace murder::cli
