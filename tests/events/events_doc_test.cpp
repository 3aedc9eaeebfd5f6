// docs/events.md is the schema that others rely on: what it says and what is written must agree.
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/file.hpp"
#include "events/event.hpp"
#include "events/samples.hpp"

namespace murder::events {
namespace {

using nlohmann::json;

struct Section {
  std::map<std::string, std::string> types;  // by field
  std::vector<std::string> examples;
};

/// The "## name" sections of the page; what precedes the first is under "".
std::map<std::string, Section> read_page() {
  const std::filesystem::path source_dir = MURDER_SOURCE_DIR;
  std::map<std::string, Section> sections;
  std::string name;
  bool in_example = false;
  std::istringstream page(read_file(source_dir / "docs" / "events.md"));
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("## ", 0) == 0) {
      name = line.substr(3);
      EXPECT_EQ(sections.count(name), 0u) << name << " twice";
      sections[name];
    } else if (line == "```json") {
      in_example = true;
    } else if (line == "```") {
      in_example = false;
    } else if (in_example) {
      sections[name].examples.push_back(line);
    } else if (line.rfind("| `", 0) == 0) {
      const auto field_end = line.find('`', 3);
      const auto type_begin = line.find("| ", field_end) + 2;
      const auto type_end = line.find(" |", type_begin);
      sections[name].types[line.substr(3, field_end - 3)] =
          line.substr(type_begin, type_end - type_begin);
    }
  }
  return sections;
}

bool has_type(const json& value, std::string_view type) {
  constexpr std::string_view optional = ", optional";
  if (type.ends_with(optional)) type.remove_suffix(optional.size());
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return false;
}

std::set<std::string> keys(const json& object) {
  std::set<std::string> result;
  for (const auto& [key, value] : object.items()) result.insert(key);
  return result;
}

TEST(EventsPage, documents_every_event_and_no_other) {
  std::set<std::string> documented;
  for (const auto& [name, section] : read_page())
    if (!name.empty()) documented.insert(name);
  std::set<std::string> written;
  std::set<std::size_t> kinds;
  for (const Event& event : one_of_each()) {
    written.emplace(event_name(event));
    kinds.insert(event.index());
  }
  ASSERT_EQ(kinds.size(), std::variant_size_v<Event>) << "a kind of event has no sample";
  EXPECT_EQ(documented, written);
}

TEST(EventsPage, names_every_field_with_its_type) {
  const auto sections = read_page();
  for (const Event& event : one_of_each()) {
    const std::string name(event_name(event));
    ASSERT_EQ(sections.count(name), 1u) << name;
    auto types = sections.at("").types;
    if (name == "summary") continue;
    types.insert(sections.at(name).types.begin(), sections.at(name).types.end());

    const json line = json::parse(to_json_line(event, 1.5));
    std::set<std::string> documented;
    for (const auto& [field, type] : types) documented.insert(field);
    EXPECT_EQ(keys(line), documented) << name;
    for (const auto& [field, value] : line.items())
      EXPECT_TRUE(has_type(value, types[field])) << name << "." << field << " is " << types[field];
  }
}

TEST(EventsPage, shows_one_example_line_of_each_event) {
  const auto sections = read_page();
  for (const Event& event : one_of_each()) {
    const std::string name(event_name(event));
    ASSERT_EQ(sections.count(name), 1u) << name;
    ASSERT_EQ(sections.at(name).examples.size(), 1u) << name;
    const json example = json::parse(sections.at(name).examples.front());
    EXPECT_EQ(example.at("schema"), 1);
    EXPECT_EQ(example.at("event"), name);
    if (name == "summary") {
      EXPECT_TRUE(example.at("last_ratio").is_number());
      continue;
    }
    const json line = json::parse(to_json_line(event, 1.5));
    EXPECT_EQ(keys(example), keys(line)) << name;
    for (const auto& [field, value] : example.items())
      EXPECT_EQ(value.is_number() ? "number" : value.type_name(),
                line.at(field).is_number() ? "number" : line.at(field).type_name())
          << name << "." << field;
  }
}

}  // namespace
}  // namespace murder::events
