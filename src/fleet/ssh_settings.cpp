#include "fleet/ssh_settings.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <csignal>
#include <fmt/format.h>
#include <fstream>
#include <glob.h>
#include <utility>
#include <vector>

#include "fleet/deadline.hpp"
#include "fleet/waiting.hpp"
#include "net/child_process.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr Duration patience = std::chrono::seconds(5);
constexpr std::size_t most_output = 256u << 10;
/// As ssh itself has it.
constexpr int deepest_include = 16;
/// Longer ones are not searched, but ssh is asked.
constexpr std::uintmax_t longest_config = 16u << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool names_a_jump_host(std::string_view lower_text) {
  return lower_text.find("proxyjump") != std::string_view::npos ||
         lower_text.find("proxycommand") != std::string_view::npos;
}

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// Looks through configuration files and those that they include.
class Search {
 public:
  explicit Search(fs::path home) : home_(std::move(home)) {}

  /// `folder`: where names of files to be included begin.
  bool finds_in(const fs::path& file, const fs::path& folder, int depth = 0) const {
    std::error_code ec;
    if (!fs::is_regular_file(file, ec)) return false;
    if (depth > deepest_include || fs::file_size(file, ec) > longest_config) return true;
    std::ifstream lines(file);
    for (std::string text; std::getline(lines, text);) {
      const std::string_view line = without_blanks(text);
      if (line.empty() || line.front() == '#') continue;
      const std::string known = lower(line);
      if (names_a_jump_host(known)) return true;
      constexpr std::string_view include = "include";
      if (known.starts_with(include) &&
          finds_in_included(line.substr(include.size()), folder, depth))
        return true;
    }
    return false;
  }

 private:
  bool finds_in_included(std::string_view names, const fs::path& folder, int depth) const {
    for (const std::string& name : words(names)) {
      const fs::path pattern = name.starts_with("~/") ? home_ / name.substr(2) : folder / name;
      glob_t found{};
      bool is_there = false;
      if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
        for (std::size_t i = 0; i < found.gl_pathc && !is_there; ++i)
          is_there = finds_in(found.gl_pathv[i], folder, depth + 1);
      ::globfree(&found);
      if (is_there) return true;
    }
    return false;
  }

  static std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    try {
      found = split_words(text, "Include");
    } catch (const Error&) {
      // ssh itself will say what is wrong with it.
    }
    if (!found.empty() && found.front() == "=") found.erase(found.begin());
    return found;
  }

  fs::path home_;
};

}  // namespace

SshSettings parse_ssh_settings(std::string_view output) {
  SshSettings settings;
  std::string command;
  while (!output.empty()) {
    const std::string_view line = without_blanks(output.substr(0, output.find('\n')));
    output.remove_prefix(std::min(output.size(), output.find('\n')));
    if (!output.empty()) output.remove_prefix(1);
    const std::string_view key = line.substr(0, line.find(' '));
    const std::string_view value = line.substr(std::min(line.size(), key.size() + 1));
    if (value == "none") continue;
    if (key == "user") settings.user = value;
    if (key == "proxyjump") settings.via = value;
    if (key == "proxycommand") command = value;
  }
  if (settings.via.empty()) settings.via = std::move(command);
  return settings;
}

asio::awaitable<SshSettings> ask_ssh(asio::io_context& io, const SshOptions& options,
                                     const Host& host) {
  std::vector<std::string> argv = options.program;
  argv.emplace_back("-G");
  add_destination(argv, host);
  std::string output;
  try {
    net::ChildProcess ssh(io, argv);
    ssh.in().close();
    Deadline deadline(io, [&ssh](const std::string&) { ssh.signal(SIGKILL); });
    deadline.set(patience, "ssh -G");
    std::array<char, 4096> bytes{};
    while (output.size() < most_output) {
      const auto [error, n] = co_await ssh.out().async_read_some(asio::buffer(bytes), no_throw);
      if (error) break;
      output.append(bytes.data(), n);
    }
    deadline.cancel();
  } catch (const Error&) {
    // ssh cannot be run: the session says so.
  }
  co_return parse_ssh_settings(output);
}

bool can_be_asked(const SshOptions& options) {
  return fs::path(options.program.front()).filename() == "ssh";
}

bool may_have_jump_hosts(const SshOptions& options, const fs::path& home) {
  const std::vector<std::string>& program = options.program;
  std::string own_config;
  for (std::size_t i = 1; i < program.size(); ++i) {
    const std::string& word = program[i];
    if (word.starts_with("-J") || names_a_jump_host(lower(word))) return true;
    if (word.starts_with("-F")) {
      own_config = word.substr(2);
      if (own_config.empty() && i + 1 < program.size()) own_config = program[++i];
    }
  }
  const Search search(home);
  const fs::path users = home / ".ssh";
  if (own_config == "none") return false;
  if (!own_config.empty()) return search.finds_in(own_config, users);
  return search.finds_in(users / "config", users) ||
         search.finds_in("/etc/ssh/ssh_config", "/etc/ssh");
}

}  // namespace murder::fleet
