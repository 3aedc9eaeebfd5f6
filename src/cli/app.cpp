#include "cli/app.hpp"

#include <CLI/CLI.hpp>
#include <exception>
#include <new>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace murder::cli {
namespace {

int report(Context& context, ErrorKind kind, const std::string& message) {
  context.events->emit(events::ErrorEvent{kind, message});
  return static_cast<int>(kind);
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("murder: gets a release onto every server at once", "murder");
  Context context;
  Action action;
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "murder " MURDER_VERSION);
  app.add_flag("--json", context.json, "One JSON object a line on stdout (docs/events.md)");
  app.add_flag("-q,--quiet", context.quiet, "Say nothing but errors");
  app.add_flag("-v,--verbose", context.verbose, "Say more; twice for everything");
  add_pack(app, action);
  add_tracker(app, action);
  add_seed(app, action);
  add_peer(app, action);
  add_release_commands(app, action);
  add_demo(app, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "murder: %s\nTry 'murder --help'.\n", error.what());
    return static_cast<int>(ErrorKind::usage);
  }
  context.log = Log(context.quiet          ? LogLevel::error
                    : context.verbose > 1  ? LogLevel::debug
                    : context.verbose == 1 ? LogLevel::info
                                           : LogLevel::warning);
  context.events = context.json ? make_json_sink() : make_text_sink(context.quiet);
  try {
    action(context);
    return 0;
  } catch (const Error& error) {
    return report(context, error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return report(context, ErrorKind::failed, "out of memory");
  } catch (const std::exception& error) {
    return report(context, ErrorKind::failed, error.what());
  }
}

}  // namespace murder::cli
