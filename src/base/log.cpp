#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace murder {
namespace {
spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}
}  // namespace

struct Log::Impl {
  spdlog::logger logger;
};

Log::Log(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Log::Log(LogLevel level)
    : impl_(std::make_shared<Impl>(
          Impl{spdlog::logger("murder", std::make_shared<spdlog::sinks::stderr_sink_mt>())})) {
  impl_->logger.set_level(to_spdlog(level));
  impl_->logger.set_pattern("%H:%M:%S.%e %l: %v");
  impl_->logger.flush_on(spdlog::level::debug);
}

Log Log::silent() { return Log(LogLevel::off); }

bool Log::enabled(LogLevel level) const { return impl_->logger.should_log(to_spdlog(level)); }

void Log::write(LogLevel level, std::string_view line) {
  impl_->logger.log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace murder
