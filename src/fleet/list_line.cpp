#include "fleet/list_line.hpp"

#include <fmt/format.h>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "fleet/words.hpp"

namespace murder::fleet {
namespace {

/// `why` labels that are of one host alone have no place in this line.
void refuse_single(ListLine& line, std::span<const Word> words, const std::string& why) {
  for (const Word& word : words) {
    const std::string key(word.text.substr(0, word.text.find('=')));
    if (key != "name" && key != "addr") continue;
    line.faults.emplace_back(word.offset, fmt::format("{}= is of one host{}", key, why));
    line.labels.erase(key);
  }
}

void read_labels(ListLine& line, std::span<const Word> words) {
  for (const Word& word : words) {
    try {
      auto [key, value] = parse_label(word.text);
      if (!line.labels.emplace(key, std::move(value)).second)
        line.faults.emplace_back(word.offset, fmt::format("{}= is given twice", key));
    } catch (const Fault& fault) {
      line.faults.emplace_back(word.offset + fault.offset(), fault.what());
    }
  }
}

void read_hosts(ListLine& line, std::span<const Word> words) {
  const Word& target = words.front();
  line.kind = ListLine::Kind::hosts;
  line.pattern_offset = target.offset;
  try {
    line.pattern = HostPattern::parse(target.text);
  } catch (const Fault& fault) {
    line.faults.emplace_back(target.offset + fault.offset(),
                             fmt::format("'{}': {}", printable(target.text), fault.what()));
  }
  read_labels(line, words.subspan(1));
  if (line.pattern && line.pattern->count() > 1)
    refuse_single(line, words.subspan(1),
                  fmt::format(", and '{}' is {}", printable(target.text), line.pattern->count()));
}

void read_heading(ListLine& line, std::string_view content, std::size_t offset) {
  line.kind = ListLine::Kind::heading;
  std::vector<Word> words = split_words(content);
  for (Word& word : words) word.offset += offset;
  read_labels(line, words);
  refuse_single(line, words, ", not of all below a heading");
}

/// The text between the brackets of a heading that begins at `opening`; absent for a line that
/// names hosts. A heading has a '=', which neither a range nor an IPv6 address has.
std::optional<std::string_view> heading_of(std::string_view text, std::size_t opening) {
  const auto closing = find_unquoted(text, ']');
  const std::string_view content =
      text.substr(opening + 1, closing.value_or(text.size()) - opening - 1);
  const bool has_labels = content.find('=') != std::string_view::npos;
  if (!closing) {
    if (has_labels) throw Fault(opening, "'[' is not closed");
    return std::nullopt;
  }
  const bool stands_alone = split_words(text.substr(*closing + 1)).empty();
  if (has_labels && !stands_alone)
    throw Fault(opening, "a heading such as [rack=r7] stands on a line of its own");
  if (has_labels) return content;
  if (!stands_alone || content.find(':') != std::string_view::npos) return std::nullopt;
  if (content.find_first_not_of(" \t") == std::string_view::npos) return content;
  const std::string shown = printable(content);
  throw Fault(opening, fmt::format("'[{}]' is no heading, which has labels for the lines below it, "
                                   "as [role={}]",
                                   shown, shown));
}

}  // namespace

ListLine parse_line(std::string_view text) {
  ListLine line;
  try {
    const std::vector<Word> words = split_words(text);
    if (words.empty()) return line;
    const std::size_t begin = words.front().offset;
    const auto heading = text[begin] == '[' ? heading_of(text, begin) : std::nullopt;
    if (heading)
      read_heading(line, *heading, begin + 1);
    else
      read_hosts(line, words);
  } catch (const Fault& fault) {
    line.faults.push_back(fault);
  }
  return line;
}

ListLine parse_target(std::string_view text) {
  ListLine line;
  const Word target{text, 0};
  read_hosts(line, {&target, 1});
  return line;
}

}  // namespace murder::fleet
