#include "fleet/record.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "fleet/record_file.hpp"

namespace murder::fleet {
namespace {

using Work = std::function<void(RecordWriter&)>;

std::int64_t system_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The first and the last half of a text that is too long.
std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  const std::size_t half = limit / 2;
  return fmt::format("{}\n… {} bytes are left out …\n{}", text.substr(0, half),
                     text.size() - 2 * half, text.substr(text.size() - half));
}

}  // namespace

/// What the caller's thread and the writing one share. Outlives the Record when the latter hangs.
struct Record::Shared {
  explicit Shared(RecordOptions with) : options(std::move(with)) {}

  const RecordOptions options;
  std::thread thread;  ///< of the Record

  // Used by the writing thread alone.
  std::optional<Database> database;
  std::optional<RecordWriter> writer;

  // Everything below under `mutex`.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Work> queue;
  std::size_t handed_over = 0;
  std::size_t done = 0;
  bool hurry = false;  ///< somebody waits
  bool stop = false;
  bool ended = false;
  bool broken = false;
  std::vector<std::string> warnings;  ///< not said yet

  void run();
  /// What went wrong, in a sentence.
  std::optional<std::string> open();
  std::optional<std::string> write(const std::vector<Work>& batch);
  void give_up(std::string why);
};

std::optional<std::string> Record::Shared::open() {
  try {
    OpenedRecord opened = open_record(options.path, options.now_ms(), options.wait_for_locks);
    database = std::move(opened.database);
    writer.emplace(*database, ProcessIdentity::of_this_process());
    const std::lock_guard lock(mutex);
    if (!opened.note.empty()) warnings.push_back(std::move(opened.note));
    return std::nullopt;
  } catch (const std::exception& error) {
    return fmt::format("this command is not recorded: {}", error.what());
  }
}

void Record::Shared::run() {
  const std::optional<std::string> unusable = open();
  std::unique_lock lock(mutex);
  if (unusable) give_up(*unusable);
  while (!broken) {
    changed.wait(lock, [&] { return stop || broken || !queue.empty(); });
    if (queue.empty()) break;
    changed.wait_for(lock, options.write_every, [&] { return stop || hurry; });
    const std::vector<Work> batch = std::exchange(queue, {});
    lock.unlock();
    const std::optional<std::string> problem = write(batch);
    lock.lock();
    done += batch.size();
    if (problem) give_up(*problem);
    if (done == handed_over) hurry = false;
    changed.notify_all();
  }
  ended = true;
  changed.notify_all();
}

std::optional<std::string> Record::Shared::write(const std::vector<Work>& batch) {
  std::string problem;
  try {
    Transaction transaction(*database, Transaction::Kind::write);
    for (const Work& work : batch) work(*writer);
    transaction.commit();
    return std::nullopt;
  } catch (const DatabaseError& error) {
    problem = error.what();
    if (error.is_corrupt()) {
      try {
        const std::string moved =
            move_damaged_aside(options.path, options.now_ms(), options.wait_for_locks);
        if (!moved.empty()) problem = moved;
      } catch (const std::exception& other) {
        problem = other.what();
      }
    }
  } catch (const std::exception& error) {
    problem = error.what();
  }
  return fmt::format("this command is recorded no further: {}", problem);
}

/// Under the mutex.
void Record::Shared::give_up(std::string why) {
  if (broken) return;
  broken = true;
  warnings.push_back(std::move(why));
  queue.clear();
  changed.notify_all();
}

Record Record::none() { return {}; }
Record::Record(Record&&) noexcept = default;
Record& Record::operator=(Record&& other) noexcept {
  std::swap(options_, other.options_);
  std::swap(warn_, other.warn_);
  std::swap(begun_, other.begun_);
  std::swap(shared_, other.shared_);
  return *this;
}

Record Record::open(RecordOptions options, Warn warn) {
  Record record;
  if (!options.now_ms) options.now_ms = system_now_ms;
  record.options_ = options;
  record.warn_ = std::move(warn);
  record.shared_ = std::make_shared<Shared>(std::move(options));
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread inherits it
  try {
    record.shared_->thread = std::thread([shared = record.shared_] { shared->run(); });
  } catch (const std::system_error& error) {
    record.shared_ = nullptr;
    record.warn_(fmt::format("this command is not recorded: no thread for it: {}", error.what()));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return record;
}

Record::~Record() {
  if (!shared_) return;
  std::unique_lock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
  const bool ended =
      shared_->changed.wait_for(lock, options_.patience, [&] { return shared_->ended; });
  lock.unlock();
  if (ended)
    shared_->thread.join();
  else
    shared_->thread.detach();
}

void Record::hand_over(Work work) {
  if (!shared_) return;
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->broken) {
      shared_->queue.push_back(std::move(work));
      ++shared_->handed_over;
    }
    shared_->changed.notify_all();
  }
  say_warnings();
}

void Record::say_warnings() {
  std::vector<std::string> warnings;
  {
    const std::lock_guard lock(shared_->mutex);
    warnings.swap(shared_->warnings);
  }
  for (const std::string& warning : warnings) warn_(warning);
}

void Record::begin(const FleetReport& report) {
  Begun& begun = begun_[report.deploy];
  begun.goal = report.goal;
  begun.started_at_ms = report.started_at_ms;
  if (!shared_) return;
  hand_over([report, limits = options_.limits, now_ms = options_.now_ms()](RecordWriter& writer) {
    writer.put(report, now_ms);
    writer.prune(limits, report.deploy, now_ms);
  });
}

void Record::update_host(const std::string& deploy, const HostReport& host) {
  const auto begun = begun_.find(deploy);
  if (!shared_ || begun == begun_.end()) return;
  hand_over(
      [deploy, host, goal = begun->second.goal, now_ms = options_.now_ms()](RecordWriter& writer) {
        writer.put_host(deploy, host, goal);
        writer.touch(deploy, now_ms);
      });
}

void Record::log(const std::string& deploy, const std::string& host, std::string_view source,
                 std::string_view text) {
  const auto found = begun_.find(deploy);
  if (!shared_ || found == begun_.end()) return;
  Begun& begun = found->second;
  const RecordLimits& limits = options_.limits;
  std::size_t& of_host = begun.log_bytes_of_host[host];
  if (of_host > limits.log_bytes_of_host) return;  // said already

  std::string kept = shortened(text, limits.log_bytes_of_entry);
  if (of_host + kept.size() > limits.log_bytes_of_host ||
      begun.log_bytes + kept.size() > limits.log_bytes_of_deploy) {
    kept = "… what came after this is not kept: it was too much";
    of_host = limits.log_bytes_of_host + 1;
  } else {
    of_host += kept.size();
    begun.log_bytes += kept.size();
  }
  const double seconds = static_cast<double>(options_.now_ms() - begun.started_at_ms) / 1000;
  hand_over([deploy, host, seconds, source = std::string(source), kept = std::move(kept)](
                RecordWriter& writer) { writer.add_log(deploy, host, seconds, source, kept); });
}

void Record::finish(const FleetReport& report, int exit_status) {
  if (!shared_) return;
  hand_over([report, exit_status, now_ms = options_.now_ms()](RecordWriter& writer) {
    writer.put(report, now_ms);
    writer.end(report.deploy, report.seconds, exit_status);
  });
  flush();
}

void Record::flush() {
  if (!shared_) return;
  {
    std::unique_lock lock(shared_->mutex);
    shared_->hurry = true;
    shared_->changed.notify_all();
    const bool is_written = shared_->changed.wait_for(lock, options_.patience, [&] {
      return shared_->broken || shared_->done == shared_->handed_over;
    });
    if (!is_written)
      shared_->give_up(fmt::format("this command is recorded no further: cannot write {} within {}",
                                   printable(options_.path.string(), 4096),
                                   format_duration(options_.patience)));
  }
  say_warnings();
}

bool Record::works() const {
  if (!shared_) return false;
  const std::lock_guard lock(shared_->mutex);
  return !shared_->broken;
}

}  // namespace murder::fleet
