// What is wrong with a piece of text and where in it, for the parsers of this folder: the list that
// they read for knows the file and the line, and goes on to find what else is wrong.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace murder::fleet {

class Fault : public std::runtime_error {
 public:
  /// `offset`: in the text that was to be parsed, in bytes.
  Fault(std::size_t offset, const std::string& reason)
      : std::runtime_error(reason), offset_(offset) {}
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_;
};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace murder::fleet
