// Bencode (BEP 3): how metainfo, tracker replies and extension messages are written.
//
// Read strictly: one byte string means one value and one value has one byte string, so that hashing
// what was read and hashing what would be written give the same. A parsed Value is a view: it
// borrows from the bytes it was parsed from, which must outlive it. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace murder::bencode {

struct ParseOptions {
  /// Off for what trackers and peers say: some send keys in any order. Repeated keys are refused
  /// either way.
  bool require_sorted_keys = true;
  std::size_t max_bytes = 8u << 20;
  std::uint32_t max_depth = 32;         ///< lists and dictionaries inside one another
  std::uint32_t max_values = 1u << 18;  ///< bounds memory to about 64 bytes a value
};

/// Why bytes are not bencode: "byte 17: a number with a leading zero".
class SyntaxError : public std::runtime_error {
 public:
  SyntaxError(std::size_t offset, const std::string& reason);
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_;
};

/// One value and all that it holds. Accessors give nothing when the value is of another kind.
class Value {
 public:
  struct Member;
  using List = std::vector<Value>;
  using Dictionary = std::vector<Member>;  ///< sorted by key, keys unique

  std::optional<std::int64_t> integer() const;
  std::optional<std::string_view> string() const;
  const List* list() const { return std::get_if<List>(&content_); }
  const Dictionary* dictionary() const { return std::get_if<Dictionary>(&content_); }

  /// nullptr when this is no dictionary or has no such key.
  const Value* find(std::string_view key) const;
  /// nullopt also when the key's value is of another kind.
  std::optional<std::int64_t> find_integer(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;

  /// The bytes that this value was parsed from.
  std::string_view raw() const { return raw_; }
  /// For messages: "an integer", "a string", "a list", "a dictionary".
  std::string_view kind_name() const;

 private:
  friend class Parser;
  std::variant<std::int64_t, std::string_view, List, Dictionary> content_;
  std::string_view raw_;
};

struct Value::Member {
  std::string_view key;
  Value value;
};

/// All of `bytes` as one value. Throws SyntaxError.
Value parse(std::string_view bytes, const ParseOptions& options);
/// The value that `bytes` begin with; what follows starts at raw().size() (BEP 9 puts metadata
/// there). Throws SyntaxError.
Value parse_prefix(std::string_view bytes, const ParseOptions& options);

std::string encode_integer(std::int64_t value);
std::string encode_string(std::string_view bytes);
/// Of items that are encoded already.
std::string encode_list(const std::vector<std::string>& encoded_items);

/// A dictionary in the making: keys come in any order and leave sorted. A key that is set twice
/// keeps the later value.
class DictionaryEncoder {
 public:
  DictionaryEncoder& integer(std::string_view key, std::int64_t value);
  DictionaryEncoder& string(std::string_view key, std::string_view bytes);
  /// A value that is encoded already.
  DictionaryEncoder& encoded(std::string_view key, std::string value);
  bool empty() const { return members_.empty(); }
  std::string encode() const;

 private:
  std::map<std::string, std::string, std::less<>> members_;
};

}  // namespace murder::bencode
