#include "cli/reporter.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
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

void write_event(std::FILE* file, const events::Event& event) {
  write_to(file, events::to_json_line(event, to_seconds(now().time_since_epoch())) + "\n");
}

class JsonReporter final : public Reporter {
 public:
  void emit(const events::Event& event) override {
    if (!silent_) write_event(stdout, event);
  }
  void say(std::string_view) override {}
  void show(const std::vector<LiveLine>&) override {}
  void data(std::string_view) override {}
  void settle() override {}
  void go_silent() override { silent_ = true; }

 private:
  bool silent_ = false;
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
  void go_silent() override {
    settle();
    quiet_ = true;
  }

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

class FileReporter final : public Reporter {
 public:
  FileReporter(std::unique_ptr<Reporter> other, const std::filesystem::path& path)
      : other_(std::move(other)), file_(std::fopen(path.c_str(), "we")) {
    if (file_ == nullptr)
      throw Error(ErrorKind::usage, fmt::format("--events: cannot write {}: {}",
                                                printable(path.native()), system_reason(errno)));
  }
  ~FileReporter() override { std::fclose(file_); }
  FileReporter(const FileReporter&) = delete;
  FileReporter& operator=(const FileReporter&) = delete;

  void emit(const events::Event& event) override {
    write_event(file_, event);
    other_->emit(event);
  }
  void say(std::string_view line) override { other_->say(line); }
  void show(const std::vector<LiveLine>& lines) override { other_->show(lines); }
  void data(std::string_view text) override { other_->data(text); }
  void settle() override { other_->settle(); }
  void go_silent() override { other_->go_silent(); }

 private:
  std::unique_ptr<Reporter> other_;
  std::FILE* file_;
};

}  // namespace

std::unique_ptr<Reporter> make_json_reporter() { return std::make_unique<JsonReporter>(); }
std::unique_ptr<Reporter> make_text_reporter(bool quiet) {
  return std::make_unique<TextReporter>(quiet);
}

std::unique_ptr<Reporter> also_into_file(std::unique_ptr<Reporter> other,
                                         const std::filesystem::path& file) {
  return std::make_unique<FileReporter>(std::move(other), file);
}

}  // namespace murder::cli
