#include "fleet/ssh.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace murder::fleet {
namespace {

constexpr int ssh_failed = 255;
constexpr int not_executable = 126;
constexpr int not_found = 127;

struct Sign {
  std::string_view text;  ///< what ssh, sudo or the login shell says
  ErrorKind kind;
  bool try_again;
  std::string_view way_out;
};

// The first that is found counts.
constexpr std::array signs = {
    Sign{"REMOTE HOST IDENTIFICATION HAS CHANGED", ErrorKind::unreachable, false,
         "its host key is not the known one: if that is expected, ssh-keygen -R the host and "
         "connect once by hand"},
    Sign{"Host key verification failed", ErrorKind::unreachable, false,
         "its host key is not known: connect once by hand, or add it to known_hosts"},
    Sign{"Permission denied", ErrorKind::unreachable, false,
         "no key was accepted: try `ssh -o BatchMode=yes` to it by hand"},
    Sign{"Too many authentication failures", ErrorKind::unreachable, false,
         "the agent offers too many keys: set IdentityFile and IdentitiesOnly for it"},
    Sign{"Could not resolve hostname", ErrorKind::unreachable, false, "check the name"},
    Sign{"Bad configuration option", ErrorKind::usage, false, "mend the ssh configuration"},
    Sign{"Connection refused", ErrorKind::unreachable, false, "is sshd running there?"},
    Sign{"No route to host", ErrorKind::unreachable, false, ""},
    Sign{"Network is unreachable", ErrorKind::unreachable, false, ""},
    Sign{"kex_exchange_identification", ErrorKind::unreachable, true,
         "sshd dropped the connection (MaxStartups?)"},
    Sign{"during banner exchange", ErrorKind::unreachable, true, "sshd does not answer"},
    Sign{"Connection reset by", ErrorKind::unreachable, true, ""},
    Sign{"Connection closed by", ErrorKind::unreachable, true, ""},
    Sign{"Exceeded MaxStartups", ErrorKind::unreachable, true, ""},
    Sign{"Connection timed out", ErrorKind::unreachable, false, ""},
    Sign{"Operation timed out", ErrorKind::unreachable, false, ""},
    Sign{"not responding", ErrorKind::unreachable, false, "the connection was lost"},
    Sign{"a password is required", ErrorKind::failed, false,
         "sudo asks for a password: allow it with a line in sudoers, \"USER ALL=(ALL) NOPASSWD: "
         "ALL\""},
    Sign{"you must have a tty to run sudo", ErrorKind::failed, false,
         "sudo wants a terminal: \"Defaults:USER !requiretty\" in sudoers"},
    Sign{"is not in the sudoers file", ErrorKind::failed, false,
         "add \"USER ALL=(ALL) NOPASSWD: ALL\" to sudoers"},
    Sign{"may not run sudo", ErrorKind::failed, false,
         "add \"USER ALL=(ALL) NOPASSWD: ALL\" to sudoers"},
    Sign{"sudo: not found", ErrorKind::failed, false, "install sudo there, or leave out --sudo"},
};

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

/// The line around `at`.
std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t begin = text.rfind('\n', at);
  text.remove_prefix(begin == std::string_view::npos ? 0 : begin + 1);
  return trimmed(text.substr(0, text.find('\n')));
}

std::string_view last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  return text.empty() ? text : line_at(text, text.size() - 1);
}

std::string with_way_out(std::string_view what, std::string_view way_out) {
  std::string reason = printable(what);
  if (!way_out.empty()) reason += fmt::format("; {}", way_out);
  return reason;
}

}  // namespace

std::vector<std::string> split_words(std::string_view text, std::string_view what) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      words.back().push_back(text[++i]);
    } else if (quote != 0 ? c == quote : c == '\'' || c == '"') {
      quote = quote == 0 ? c : '\0';
    } else {
      words.back().push_back(c);
    }
  }
  if (quote != 0)
    throw Error(ErrorKind::usage,
                fmt::format("{}: a quote is not closed in: {}", what, printable(text)));
  if (words.empty()) throw Error(ErrorKind::usage, fmt::format("{}: it is empty", what));
  return words;
}

std::vector<std::string> ssh_command(const SshOptions& options, const Host& host,
                                     const std::string& remote_command) {
  std::vector<std::string> argv = options.program;
  const auto seconds = std::max<long long>(
      1, std::chrono::duration_cast<std::chrono::seconds>(options.connect_timeout).count());
  for (const std::string& option :
       {std::string("BatchMode=yes"), fmt::format("ConnectTimeout={}", seconds),
        fmt::format("ServerAliveInterval={}", std::clamp<long long>(seconds / 2, 1, 5)),
        std::string("ServerAliveCountMax=3"), std::string("ForwardAgent=no"),
        std::string("ForwardX11=no"), std::string("ClearAllForwardings=yes"),
        std::string("PermitLocalCommand=no"), std::string("RequestTTY=no")}) {
    argv.emplace_back("-o");
    argv.push_back(option);
  }
  argv.emplace_back("-T");
  if (host.port != 0) {
    argv.emplace_back("-p");
    argv.push_back(std::to_string(host.port));
  }
  if (!host.user.empty()) {
    argv.emplace_back("-l");
    argv.push_back(host.user);
  }
  argv.emplace_back("--");
  argv.push_back(host.host);
  argv.push_back(remote_command);
  return argv;
}

SshFailure explain_ssh_failure(int status, std::string_view said) {
  for (const Sign& sign : signs) {
    const std::size_t at = said.find(sign.text);
    if (at == std::string_view::npos) continue;
    // The changed key is announced in a frame of @; its own words say it better.
    const std::string_view what =
        sign.text.starts_with("REMOTE") ? "host key changed" : line_at(said, at);
    return {sign.kind, sign.try_again, with_way_out(what, sign.way_out)};
  }
  const std::string_view last = last_line(said);
  if (status == ssh_failed)
    return {ErrorKind::unreachable, false,
            last.empty() ? "ssh failed and gave no reason; try it by hand" : printable(last)};
  if (status == not_found || status == not_executable)
    return {ErrorKind::failed, false,
            with_way_out(last.empty() ? "the login shell found no sh" : last,
                         "a POSIX shell is needed there")};
  return {ErrorKind::failed, false,
          last.empty() ? fmt::format("ssh ended with status {} before the host answered", status)
                       : fmt::format("ssh ended with status {}: {}", status, printable(last))};
}

}  // namespace murder::fleet
