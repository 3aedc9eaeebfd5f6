#include "cli/app.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <new>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "cli/configured_flags.hpp"
#include "cli/help.hpp"

namespace murder::cli {
namespace {

const char* variable(const std::string& name) { return std::getenv(name.c_str()); }

void add_common_flags(CLI::App& app, Context& context) {
  app.add_flag("--json", context.json, "One JSON object a line on stdout (docs/events.md)");
  app.add_flag("-q,--quiet", context.quiet, "No talk and no progress on stderr, only errors");
  app.add_flag("-v,--verbose", context.verbose, "A log on stderr; twice for all of it");
  const std::string no_config = "Read no configuration file and no MURDER_ variables";
  app.add_flag("--no-config", no_config)  // looked for before parsing, see run()
      ->configurable(false);
  app.set_version_flag("--version", "murder " MURDER_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this");
}

void describe(CLI::App& app, const Program& program) {
  app.footer(program.examples);
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.fallthrough();
}

/// Says what ended the command, once for people and once for programs.
int report(Context& context, ErrorKind kind, const std::string& message) {
  context.reporter->settle();
  std::fputs(fmt::format("murder: {}\n", message).c_str(), stderr);  // print() would throw
  if (context.json) context.reporter->emit(events::ErrorEvent{kind, message});
  return static_cast<int>(kind);
}

CLI::App* chosen_command(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? nullptr : parsed.front();
}

/// The parser's words, where they would puzzle a reader.
std::string in_plain_words(const CLI::ParseError& error) {
  std::string words = printable(error.what());
  constexpr std::string_view conversion = "Could not convert: ";
  if (words.starts_with(conversion)) return "cannot use " + words.substr(conversion.size());
  const bool is_mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  if (is_mismatch && words.ends_with(" missing"))
    return words.substr(0, words.find(':')) + ": its value is missing";
  return words;
}

/// Why the command line cannot be used, and where its use is explained.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* const command = chosen_command(app);
  const std::string name = command == nullptr
                               ? app.get_name()
                               : fmt::format("{} {}", app.get_name(), command->get_name());
  std::string problem = in_plain_words(error);
  const auto unknown = app.remaining(true);
  if (!unknown.empty()) {
    const std::string& first = unknown.front();
    problem = fmt::format("{} '{}'",
                          first.starts_with("-") ? "unknown option"
                          : command == nullptr   ? "unknown command"
                                                 : "one argument too many:",
                          printable(first));
  } else if (command == nullptr) {
    problem = "a command is missing";
  }
  return fmt::format("{}; see {} --help", problem, name);
}

bool is_given(int argc, char** argv, std::string_view flag) {
  for (int i = 1; i < argc; ++i)
    if (argv[i] == flag) return true;
  return false;
}

int perform(const Action& action, Context& context, const ConfiguredFlags* configured) {
  try {
    action(context);
    context.reporter->settle();
    return 0;
  } catch (const Error& error) {
    return report(context, error.kind(),
                  configured == nullptr ? error.what() : configured->with_origin(error.what()));
  } catch (const std::bad_alloc&) {
    return report(context, ErrorKind::failed, "out of memory");
  } catch (const std::exception& error) {
    return report(context, ErrorKind::failed, error.what());
  }
}

}  // namespace

int run(const Program& program, int argc, char** argv) {
  CLI::App app(program.description, "murder");
  Context context;
  Action action;
  describe(app, program);
  add_common_flags(app, context);
  program.add_commands(app, action);
  for (CLI::App* command : app.get_subcommands({}))
    command->set_help_flag("-h,--help", "Print this");

  if (argc < 2) {
    fmt::print(stderr, "{}", overview(app));
    return static_cast<int>(ErrorKind::usage);
  }

  // A bad file is no reason to refuse --help, so that its error waits.
  std::optional<ConfiguredFlags> configured;
  std::optional<Error> bad_config;
  try {
    if (!is_given(argc, argv, "--no-config")) {
      configured.emplace(app, variable, config_paths(variable));
      configured->relax_required(app);
    }
  } catch (const Error& error) {
    bad_config = error;
  }

  const auto refuse = [&](const std::string& problem) {
    context.json = context.json || is_given(argc, argv, "--json");
    context.reporter = context.json ? make_json_reporter() : make_text_reporter(true);
    return report(context, ErrorKind::usage, problem);
  };
  try {
    app.parse(argc, argv);
    if (bad_config) return refuse(bad_config->what());
    if (configured) configured->apply(app, *chosen_command(app));
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return refuse(bad_config ? bad_config->what() : usage_problem(app, error));
  } catch (const Error& error) {
    return refuse(error.what());
  }

  context.log = Log(context.quiet          ? LogLevel::error
                    : context.verbose > 1  ? LogLevel::debug
                    : context.verbose == 1 ? LogLevel::info
                                           : LogLevel::warning);
  context.reporter = context.json ? make_json_reporter() : make_text_reporter(context.quiet);
  return perform(action, context, configured ? &*configured : nullptr);
}

}  // namespace murder::cli
