#include "cli/output.hpp"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <string>

#include "base/units.hpp"

namespace murder::cli {
namespace {

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class JsonSink final : public events::EventSink {
 public:
  void emit(const events::Event& event) override {
    const std::string line = events::to_json_line(event, monotonic_seconds()) + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  }
};

class TextSink final : public events::EventSink {
 public:
  explicit TextSink(bool quiet) : quiet_(quiet) {}
  void emit(const events::Event& event) override {
    if (const auto* error = std::get_if<events::ErrorEvent>(&event)) {
      fmt::print(stderr, "murder: {}\n", error->message);
      return;
    }
    if (quiet_) return;
    fmt::print(stderr, "{}\n", events::to_json_line(event, monotonic_seconds()));
  }

 private:
  bool quiet_;
};

}  // namespace

std::unique_ptr<events::EventSink> make_json_sink() { return std::make_unique<JsonSink>(); }
std::unique_ptr<events::EventSink> make_text_sink(bool quiet) {
  return std::make_unique<TextSink>(quiet);
}

}  // namespace murder::cli
