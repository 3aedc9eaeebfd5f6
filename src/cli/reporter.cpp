#include "cli/reporter.hpp"

#include <chrono>
#include <cstdio>
#include <unistd.h>

#include "base/units.hpp"
#include "cli/terminal.hpp"
#include "cli/wording.hpp"

namespace murder::cli {
namespace {

Instant now() { return std::chrono::steady_clock::now(); }

void write_to(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

class JsonReporter final : public Reporter {
 public:
  void emit(const events::Event& event) override {
    const double t = to_seconds(now().time_since_epoch());
    write_to(stdout, events::to_json_line(event, t) + "\n");
  }
  void say(std::string_view) override {}
  void show(const std::vector<LiveLine>&) override {}
  void data(std::string_view) override {}
  void settle() override {}
};

class TextReporter final : public Reporter {
 public:
  explicit TextReporter(bool quiet)
      : quiet_(quiet),
        terminal_(Terminal::of(STDERR_FILENO)),
        lines_(terminal_, [](std::string_view text) { write_to(stderr, text); }) {}
  ~TextReporter() override { lines_.clear(); }

  void emit(const events::Event& event) override {
    phase_ = phase_after(phase_, event);
    if (const auto* progress = std::get_if<events::Progress>(&event)) {
      show({LiveLine{progress_line(*progress, phase_)}});
      return;
    }
    if (const auto* fleet = std::get_if<events::Fleet>(&event)) {
      show_fleet(fleet_line(*fleet));
      return;
    }
    if (const auto* drifted = std::get_if<events::Drifted>(&event)) data(drift_line(*drifted));
    const std::string words = sentence(event);
    if (!words.empty()) say(words);
    if (const auto* packed = std::get_if<events::Packed>(&event)) data(packed_lines(*packed));
  }

  void say(std::string_view line) override {
    if (!quiet_) lines_.print(line);
  }

  void show(const std::vector<LiveLine>& lines) override {
    if (quiet_) return;
    if (terminal_.redraws) lines_.resize(Terminal::of(STDERR_FILENO).columns);
    lines_.show(lines, now());
  }

  void data(std::string_view text) override {
    settle();
    write_to(stdout, text);
  }

  void settle() override { lines_.clear(); }

 private:
  /// Comes only when something has changed, so that each counts where nothing is redrawn.
  void show_fleet(const std::string& line) {
    if (terminal_.redraws)
      show({LiveLine{line}});
    else
      say(line);
  }

  bool quiet_;
  Terminal terminal_;
  LiveLines lines_;
  Phase phase_ = Phase::fetching;
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter() { return std::make_unique<JsonReporter>(); }
std::unique_ptr<Reporter> make_text_reporter(bool quiet) {
  return std::make_unique<TextReporter>(quiet);
}

}  // namespace murder::cli
