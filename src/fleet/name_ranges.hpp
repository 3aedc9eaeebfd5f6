// Many host names in few words.
#pragma once

#include <string>
#include <vector>

namespace murder::fleet {

/// Names that differ in one number alone, together: "web[001-012].example.com"; the others as they
/// are. Such ranges mean what they mean in an inventory. Each stands where its first name stood;
/// O(n log n).
std::vector<std::string> name_ranges(const std::vector<std::string>& names);

}  // namespace murder::fleet
