// --help: what it is, examples, then how it is called and its options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace murder::cli {

/// Made from the flags that the parser knows; a command's footer is its examples.
class HelpFormatter final : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

/// For those who typed "murder" and nothing else.
std::string overview(const CLI::App& app);

}  // namespace murder::cli
