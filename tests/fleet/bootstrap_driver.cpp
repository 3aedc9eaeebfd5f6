// Holds the session that BootstrapDialogue leaves to others, with a shell on this machine in place
// of ssh. For tests/e2e/bootstrapping.py, which makes the host.
//
//   murder_bootstrap_driver JSON
//     shell: [argv…]    the login shell, as sshd calls it: "-c" and the command follow
//     binary: PATH      what the host is to get; need not be a program for any machine
//     digest: HEX       instead of its own
//     machine: NAME     what it is for (default: this machine)
//     dest: PATH        arguments: [words…]
//     urls: [URL…]      to fetch it from, one after the other, before it is pushed
//     seconds: N        for each (default 20)
//     push: false       gives up instead; push: N pushes only so many bytes, and ends
//     xz: true          pushes xz to a host that unpacks it; xz: TEXT pushes that in its place
//     input: TEXT       for the binary's stdin
// On stdout one JSON object a step; the last one has what came after Running, and how the shell
// ended.
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/gzip.hpp"
#include "base/random.hpp"
#include "base/xz.hpp"
#include "fleet/bootstrap.hpp"

namespace murder::fleet {
namespace {

using nlohmann::json;

struct Shell {
  UniqueFd to;
  UniqueFd from;
  pid_t pid = -1;
};

Shell start(std::vector<std::string> argv) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
    throw_system_error("cannot make", "a pipe", errno);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    std::vector<char*> words;
    for (std::string& word : argv) words.push_back(word.data());
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  return {UniqueFd(in[1]), UniqueFd(out[0]), pid};
}

/// A shell that has ended takes nothing more; on_end() says so.
void send(const Shell& shell, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(shell.to.get(), text.data(), text.size());
    if (n < 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// Empty at the end.
std::string receive(const Shell& shell) {
  pollfd waiting{shell.from.get(), POLLIN, 0};
  if (::poll(&waiting, 1, 60'000) == 0) throw Error(ErrorKind::failed, "the shell says nothing");
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(shell.from.get(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

void say(const json& step) {
  std::cout << step.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
}

class Session {
 public:
  explicit Session(const json& given) : given_(given), content_(read_file(given["binary"])) {
    struct utsname own {};
    ::uname(&own);
    binary_.machine = given.value("machine", std::string(own.machine));
    const auto digest = Sha256Digest::from_hex(given.value("digest", sha256(content_).hex()));
    binary_.sha256 = digest.value();
    binary_.size = content_.size();
    urls_ = given.value("urls", std::vector<std::string>{});
  }

  void run() {
    const auto arguments = given_.value("arguments", std::vector<std::string>{});
    const std::string nonce = std::to_string(Random::from_system().next());
    BootstrapDialogue dialogue({nonce, {binary_}, given_["dest"], arguments});
    std::vector<std::string> argv = given_["shell"];
    argv.insert(argv.end(), {"-c", remote_command(given_.value("sudo", false))});
    shell_ = start(std::move(argv));
    send(shell_, dialogue.first_line());
    for (BootstrapStep step; !ended_;) {
      const std::string bytes = receive(shell_);
      step = bytes.empty() ? dialogue.on_end() : dialogue.on_output(bytes);
      std::visit([&](const auto& made) { take_up(dialogue, made); }, step);
    }
    int status = 0;
    ::waitpid(shell_.pid, &status, 0);
    last_["status"] = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    say(last_);
  }

 private:
  void take_up(BootstrapDialogue&, const Waiting&) {}
  void take_up(BootstrapDialogue& dialogue, const NeedsBinary& step) {
    say({{"step", "needs"}, {"machine", step.machine}, {"xz", step.unpacks_xz}});
    if (given_.contains("xz") && step.unpacks_xz) xz_ = as_xz();
    provide(dialogue);
  }
  void take_up(BootstrapDialogue& dialogue, const FetchFailed& step) {
    say({{"step", "fetch-failed"}, {"reason", step.reason}});
    provide(dialogue);
  }
  void take_up(BootstrapDialogue&, const Running& step) {
    send(shell_, given_.value("input", ""));
    shell_.to.reset();
    std::string output = step.rest;
    for (std::string more = receive(shell_); !more.empty(); more = receive(shell_)) output += more;
    end({{"step", "running"}, {"path", step.path}, {"output", output}});
  }
  void take_up(BootstrapDialogue&, const Failed& step) {
    shell_.to.reset();
    shell_.from.reset();
    end({{"step", "failed"}, {"reason", step.reason}});
  }

  std::string as_xz() const {
    if (given_["xz"].is_string()) return given_["xz"];
    return xz(content_, content_.starts_with("\x7f"
                                             "ELF")
                            ? XzFilter::x86
                            : XzFilter::none);
  }

  void provide(BootstrapDialogue& dialogue) {
    if (!urls_.empty()) {
      send(shell_, dialogue.fetch(binary_, urls_.front(), given_.value("seconds", 20u)));
      urls_.erase(urls_.begin());
      return;
    }
    const json push = given_.value("push", json(true));
    if (push == false) return shell_.to.reset();
    const auto packing = xz_ ? Packing::xz : Packing::gzip;
    const std::string packed = xz_ ? *std::exchange(xz_, std::nullopt) : gzip(content_);
    send(shell_, dialogue.take(binary_, packing, packed.size()));
    send(shell_, push == true ? packed : packed.substr(0, push.get<std::size_t>()));
    if (push != true) shell_.to.reset();
  }

  void end(json last) {
    last_ = std::move(last);
    ended_ = true;
  }

  json given_;
  std::string content_;
  BootstrapBinary binary_;
  std::vector<std::string> urls_;
  std::optional<std::string> xz_;  ///< to be pushed next
  Shell shell_;
  json last_;
  bool ended_ = false;
};

}  // namespace
}  // namespace murder::fleet

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  try {
    const auto given = nlohmann::json::parse(argc == 2 ? argv[1] : "");
    murder::fleet::Session(given).run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "murder_bootstrap_driver: " << error.what() << "\n";
    return 1;
  }
}
