#include "fleet/bootstrap.hpp"

#include <array>
#include <cstdio>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <string>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/shell_quote.hpp"

namespace murder::fleet {
namespace {

const BootstrapBinary x86{"x86_64", sha256("x86"), 4'700'000};
const BootstrapBinary arm{"aarch64", sha256("arm"), 4'600'000};

BootstrapOptions options() { return {"n0nce", {x86, arm}, "/srv/app", {"on-host", "--dest=it's"}}; }

/// What a shell makes of a line.
std::string shell_output(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
    out.append(buffer.data(), n);
  ::pclose(pipe);
  return out;
}

template <class T>
T expect(const BootstrapStep& step) {
  const T* const found = std::get_if<T>(&step);
  EXPECT_NE(found, nullptr) << "another step: " << step.index();
  return found == nullptr ? T{} : *found;
}

TEST(ShellQuote, PlainWordsStayAsTheyAre) {
  EXPECT_EQ(shell_quote("/srv/app-1.2_x"), "/srv/app-1.2_x");
  EXPECT_EQ(shell_quote("--listen=[::1]:80"), "'--listen=[::1]:80'");
}

TEST(ShellQuote, TheRestIsQuoted) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$HOME `id` \"x\" \\ ~ * \t\n"), "'$HOME `id` \"x\" \\ ~ * \t\n'");
}

TEST(ShellQuote, AShellGivesTheSameTextBack) {
  rc::check([] {
    const std::string text =
        *rc::gen::container<std::string>(rc::gen::distinctFrom(rc::gen::arbitrary<char>(), '\0'));
    RC_ASSERT(shell_output("printf '%s' " + shell_quote(text)) == text);
  });
}

TEST(Bootstrap, TheCommandIsTheSameForEveryLoginShell) {
  EXPECT_EQ(remote_command(false), "exec sh -c 'IFS= read -r l && eval \"$l\"'");
  EXPECT_EQ(remote_command(true),
            "exec env LANGUAGE=en sudo -n sh -c 'IFS= read -r l && eval \"$l\"' sh "
            "\"$SSH_CONNECTION\"");
}

TEST(Bootstrap, TheScriptIsOneLineWithoutComments) {
  BootstrapDialogue dialogue(options());
  for (const std::string& line :
       {dialogue.first_line(), dialogue.fetch(x86, "http://h/f.gz", 60)}) {
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find(" # "), std::string::npos);
    EXPECT_LT(line.size(), 3500u);
  }
  EXPECT_LT(dialogue.first_line().size(), 1200u);
}

TEST(Bootstrap, ShellsCanParseTheScript) {
  BootstrapDialogue dialogue(options());
  const std::string first = dialogue.first_line();
  const std::string second = dialogue.take(x86, Packing::gzip, 10);
  for (const char* const shell : {"sh", "bash --posix"})
    for (const std::string& line : {first, second})
      EXPECT_EQ(shell_output(std::string(shell) + " -n -c " + shell_quote(line) + " 2>&1"), "")
          << shell;
}

TEST(Bootstrap, WhatIsAskedForIsDefinedOnce) {
  BootstrapDialogue dialogue(options());
  const std::string first = dialogue.fetch(x86, "http://10.0.0.1:80/files/m.gz", 60);
  EXPECT_TRUE(first.ends_with("get http://10.0.0.1:80/files/m.gz 60\n"));
  EXPECT_EQ(dialogue.take(x86, Packing::gzip, 123), "take 123\n");
  EXPECT_EQ(dialogue.take(x86, Packing::xz, 99), "take 99 xz\n");
  EXPECT_EQ(dialogue.fetch(x86, "http://[::1]:80/x", 5), "get 'http://[::1]:80/x' 5\n");
}

TEST(Bootstrap, FindsABinaryInPiecesOfAnySize) {
  const std::string out =
      "Welcome!\nmurder-boot other run /x\n"
      "no newline\nmurder-boot n0nce run /home/a b/murder-1\n\0\1rest\nrest";
  for (std::size_t size = 1; size <= out.size(); ++size) {
    BootstrapDialogue dialogue(options());
    BootstrapStep step;
    std::size_t at = 0;
    for (; at < out.size() && std::holds_alternative<Waiting>(step); at += size)
      step = dialogue.on_output(std::string_view(out).substr(at, size));
    const auto running = expect<Running>(step);
    EXPECT_EQ(running.path, "/home/a b/murder-1");
    EXPECT_EQ(running.rest + out.substr(std::min(at, out.size())), "\0\1rest\nrest") << size;
  }
}

TEST(Bootstrap, AMarkerInTheMiddleOfALineIsNone) {
  BootstrapDialogue dialogue(options());
  expect<Waiting>(dialogue.on_output("+ murder-boot n0nce run /x\n"));
}

TEST(Bootstrap, NeedsFetchesAndGivesUpInTurn) {
  BootstrapDialogue dialogue(options());
  EXPECT_EQ(expect<NeedsBinary>(dialogue.on_output("\nmurder-boot n0nce need amd64\n")).machine,
            "x86_64");
  EXPECT_EQ(expect<FetchFailed>(
                dialogue.on_output("\nmurder-boot n0nce fetch-failed curl: (7) refused\n"))
                .reason,
            "curl: (7) refused");
  EXPECT_EQ(expect<Failed>(
                dialogue.on_output(
                    "\nmurder-boot n0nce failed no folder takes it: /a: full; /b: \x1b[31m; \n"))
                .reason,
            "no folder takes it: /a: full; /b: \\x1b[31m");
}

TEST(Bootstrap, AHostSaysWhetherItUnpacksXz) {
  for (const bool unpacks : {false, true}) {
    BootstrapDialogue dialogue(options());
    const auto need = expect<NeedsBinary>(dialogue.on_output(
        std::string("murder-boot n0nce need arm64") + (unpacks ? " xz\n" : "\n")));
    EXPECT_EQ(need.machine, "aarch64");
    EXPECT_EQ(need.unpacks_xz, unpacks);
    EXPECT_EQ(need.client, "");
  }
}

TEST(Bootstrap, AHostSaysWhereWeComeFrom) {
  for (const bool unpacks : {false, true})
    for (const std::string address : {"192.0.2.7", "2001:db8::7", "fe80::7"}) {
      BootstrapDialogue dialogue(options());
      const auto need = expect<NeedsBinary>(dialogue.on_output(
          fmt::format("murder-boot n0nce need x86_64 {}{}{}\n", unpacks ? "xz " : "", address,
                      address.starts_with("fe80") ? "%eth0" : "")));
      EXPECT_EQ(need.machine, "x86_64");
      EXPECT_EQ(need.unpacks_xz, unpacks);
      EXPECT_EQ(need.client, address);
    }
}

TEST(Bootstrap, AMachineIsAPlainWord) {
  for (const std::string& machine :
       {std::string(), std::string(" xz"), std::string("a/b"), std::string("a b"),
        std::string("a xz xz"), std::string("\x1b[2J"), std::string(65, 'x')}) {
    BootstrapDialogue dialogue(options());
    expect<Failed>(dialogue.on_output("murder-boot n0nce need " + machine + "\n"));
  }
}

TEST(Bootstrap, AHostThatGoesOnAndOnIsGivenUpOn) {
  for (const std::string& piece :
       {std::string(8192, 'x'), std::string(8191, 'x') + "\n",
        "murder-boot " + std::string(8192, 'x'), std::string(8192, '\n')}) {
    BootstrapDialogue dialogue(options());
    BootstrapStep step;
    int pieces = 0;
    for (; pieces < 1000 && std::holds_alternative<Waiting>(step); ++pieces)
      step = dialogue.on_output(piece);
    const std::string reason = expect<Failed>(step).reason;
    EXPECT_NE(reason.find("more than"), std::string::npos) << reason;
    EXPECT_LT(reason.size(), 400u);
    EXPECT_LE(pieces, 130);
  }
}

TEST(Bootstrap, AnEndlessLineOfTheScriptsTakesNoMemory) {
  BootstrapDialogue dialogue(options());
  dialogue.on_output("murder-boot n0nce failed ");
  for (int i = 0; i < 1000; ++i) expect<Waiting>(dialogue.on_output(std::string(8192, 'x')));
  EXPECT_LT(expect<Failed>(dialogue.on_output("\n")).reason.size(), 600u);
}

TEST(Bootstrap, AnEndBeforeAnAnswerQuotesWhatCameInstead) {
  BootstrapDialogue silent(options());
  EXPECT_EQ(silent.on_end().reason, "its login shell ended without an answer");
  BootstrapDialogue refused(options());
  refused.on_output("\nThis account is currently not available.\n");
  EXPECT_EQ(refused.on_end().reason,
            "its login shell ended without an answer but with: This account is currently not "
            "available.");
}

TEST(Bootstrap, ALineEndInDestOrAnArgumentIsRefused) {
  BootstrapOptions bad_dest = options();
  bad_dest.dest = "/srv/a\nb";
  EXPECT_THROW(BootstrapDialogue{bad_dest}, Error);
  BootstrapOptions bad_argument = options();
  bad_argument.arguments.push_back("a\nb");
  EXPECT_THROW(BootstrapDialogue{bad_argument}, Error);
}

}  // namespace
}  // namespace murder::fleet
