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
  std::string_view text;  ///< what ssh says
  Tries tries;
  std::string_view way_out;
  ErrorKind kind = ErrorKind::unreachable;
};

// The first that is found counts: the more telling come first.
constexpr std::array signs = {
    Sign{"REMOTE HOST IDENTIFICATION HAS CHANGED", Tries::one,
         "its host key is not the known one: if that is expected, ssh-keygen -R the host and "
         "connect once by hand"},
    Sign{"Host key verification failed", Tries::one,
         "its host key is not known: connect once by hand, or add it to known_hosts"},
    Sign{"open failed: connect failed", Tries::one, "its jump host cannot reach it"},
    Sign{"open failed: administratively prohibited", Tries::one,
         "its jump host forwards no connections (AllowTcpForwarding)"},
    Sign{"Permission denied", Tries::one,
         "no key was accepted: try `ssh -o BatchMode=yes` to it by hand"},
    Sign{"Too many authentication failures", Tries::one,
         "the agent offers too many keys: set IdentityFile and IdentitiesOnly for it"},
    Sign{"Could not resolve hostname", Tries::one, "check the name"},
    Sign{"Bad configuration option", Tries::one, "mend the ssh configuration", ErrorKind::usage},
    Sign{"Connection refused", Tries::one, "is sshd running there?"},
    Sign{"No route to host", Tries::one, ""},
    Sign{"Network is unreachable", Tries::one, ""},
    Sign{"Not allowed at this time", Tries::many, "sshd keeps this machine out for a while"},
    Sign{"Exceeded MaxStartups", Tries::many, ""},
    Sign{"during banner exchange", Tries::two, "sshd does not answer"},
    Sign{"kex_exchange_identification", Tries::many, "sshd dropped the connection (MaxStartups?)"},
    Sign{"Connection reset by", Tries::many, ""},
    Sign{"Connection closed by", Tries::many, ""},
    Sign{"Connection timed out", Tries::one, ""},
    Sign{"Operation timed out", Tries::one, ""},
    Sign{"not responding", Tries::one, "the connection was lost"},
};

/// Why sudo does not do it. With each of the first ones a line in sudoers helps.
struct SudoSign {
  std::string_view text;
  std::string_view reason;
  bool line_helps;
};
constexpr std::array sudo_signs = {
    SudoSign{"a password is required", "sudo asks for a password", true},
    SudoSign{"is not in the sudoers file", "the user may not use sudo", true},
    SudoSign{"may not run sudo", "the user may not use sudo", true},
    SudoSign{"is not allowed to execute", "sudo does not allow it", true},
    SudoSign{"must have a tty to run sudo",
             "sudo wants a terminal; \"Defaults !requiretty\" in sudoers there lets it do without",
             false},
    SudoSign{"no new privileges", "sudo cannot become root there: \"no new privileges\" is set",
             false},
};

const SudoSign* find_sudo_sign(std::string_view said) {
  const auto* const found = std::find_if(
      sudo_signs.begin(), sudo_signs.end(),
      [&](const SudoSign& sign) { return said.find(sign.text) != std::string_view::npos; });
  return found == sudo_signs.end() ? nullptr : found;
}

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

SshFailure explain_ssh(std::string_view said) {
  for (const Sign& sign : signs) {
    const std::size_t at = said.rfind(sign.text);
    if (at == std::string_view::npos) continue;
    // The changed key is announced in a frame of @; its own words say it better.
    const std::string_view what =
        sign.text.starts_with("REMOTE") ? "host key changed" : line_at(said, at);
    return {sign.kind, sign.tries, with_way_out(what, sign.way_out)};
  }
  const std::string_view last = last_line(said);
  return {ErrorKind::unreachable, Tries::one,
          last.empty() ? "ssh failed and gave no reason; try it by hand" : printable(last)};
}

/// What came instead of sh. ssh itself has done its part.
SshFailure explain_remote_command(int status, std::string_view said, std::string_view user) {
  SshFailure failure{ErrorKind::failed, Tries::one, {}};
  const std::string_view last = last_line(said);
  if (const SudoSign* const sign = find_sudo_sign(said)) {
    failure.reason = sign->reason;
    if (sign->line_helps)
      failure.reason += fmt::format(
          "; with this line in /etc/sudoers.d/murder there it need not: "
          "\"{} ALL=(root) NOPASSWD: /bin/sh\"",
          user.empty() ? "USER" : printable(user));
  } else if (status == not_found || status == not_executable) {
    const bool is_sudo = last.find("sudo") != std::string_view::npos;
    failure.reason =
        is_sudo ? "sudo is not installed there: install it, or log in as root and leave out --sudo"
                : with_way_out(last.empty() ? "the login shell found no sh" : last,
                               "a POSIX shell is needed there");
  } else if (last.empty()) {
    failure.reason = fmt::format("ssh ended with status {} before the host answered", status);
  } else {
    failure.reason = fmt::format("ssh ended with status {}: {}", status, printable(last));
  }
  return failure;
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

void add_destination(std::vector<std::string>& argv, const Host& host) {
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
}

std::vector<std::string> ssh_command(const SshOptions& options, const Host& host,
                                     const std::string& remote_command) {
  std::vector<std::string> argv = options.program;
  const auto seconds = std::max<long long>(
      1, std::chrono::duration_cast<std::chrono::seconds>(options.connect_timeout).count());
  for (const std::string& option :
       {std::string("BatchMode=yes"), fmt::format("ConnectTimeout={}", seconds),
        std::string("ServerAliveInterval=5"), std::string("ServerAliveCountMax=3"),
        std::string("ForwardAgent=no"), std::string("ForwardX11=no"),
        std::string("ClearAllForwardings=yes"), std::string("PermitLocalCommand=no"),
        std::string("RequestTTY=no")}) {
    argv.emplace_back("-o");
    argv.push_back(option);
  }
  argv.emplace_back("-T");
  add_destination(argv, host);
  argv.push_back(remote_command);
  return argv;
}

bool is_refused_by_sudo(int status, std::string_view said) {
  const SudoSign* const sign = status == ssh_failed ? nullptr : find_sudo_sign(said);
  return sign != nullptr && sign->line_helps;
}

SshFailure explain_ssh_failure(int status, std::string_view said, std::string_view user) {
  return status == ssh_failed ? explain_ssh(said) : explain_remote_command(status, said, user);
}

}  // namespace murder::fleet
