#include "bittorrent/bencode.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <functional>
#include <utility>

#include "base/error.hpp"

namespace murder::bencode {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

SyntaxError::SyntaxError(std::size_t offset, const std::string& reason)
    : std::runtime_error(fmt::format("byte {}: {}", offset, reason)), offset_(offset) {}

std::optional<std::int64_t> Value::integer() const {
  const auto* value = std::get_if<std::int64_t>(&content_);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::string_view> Value::string() const {
  const auto* value = std::get_if<std::string_view>(&content_);
  return value ? std::optional(*value) : std::nullopt;
}

const Value* Value::find(std::string_view key) const {
  const Dictionary* members = dictionary();
  if (!members) return nullptr;
  const auto found = std::ranges::lower_bound(*members, key, {}, &Member::key);
  return found != members->end() && found->key == key ? &found->value : nullptr;
}

std::optional<std::int64_t> Value::find_integer(std::string_view key) const {
  const Value* value = find(key);
  return value ? value->integer() : std::nullopt;
}

std::optional<std::string_view> Value::find_string(std::string_view key) const {
  const Value* value = find(key);
  return value ? value->string() : std::nullopt;
}

std::string_view Value::kind_name() const {
  static constexpr std::string_view names[] = {"an integer", "a string", "a list", "a dictionary"};
  return names[content_.index()];
}

/// Recursive descent; recursion is bounded by max_depth.
class Parser {
 public:
  Parser(std::string_view bytes, const ParseOptions& options) : bytes_(bytes), options_(options) {
    if (bytes.size() > options.max_bytes)
      throw SyntaxError(options.max_bytes, fmt::format("{} bytes in all, more than the limit of {}",
                                                       bytes.size(), options.max_bytes));
  }

  Value parse_value(std::uint32_t depth = 0) {
    if (++values_ > options_.max_values)
      fail(at_, fmt::format("more than {} values", options_.max_values));
    const std::size_t start = at_;
    Value value;
    if (at_ >= bytes_.size()) fail(at_, "ends where a value should begin");
    const char first = bytes_[at_];
    if (first == 'i')
      value.content_ = parse_integer();
    else if (is_digit(first))
      value.content_ = parse_string();
    else if (first == 'l' || first == 'd') {
      if (depth >= options_.max_depth)
        fail(at_, fmt::format("nested deeper than {} levels", options_.max_depth));
      if (first == 'l')
        value.content_ = parse_list(depth + 1);
      else
        value.content_ = parse_dictionary(depth + 1);
    } else {
      fail(at_, fmt::format("'{}' does not begin a value", printable(bytes_.substr(at_, 1))));
    }
    value.raw_ = bytes_.substr(start, at_ - start);
    return value;
  }

  void expect_end() const {
    if (at_ != bytes_.size())
      fail(at_, fmt::format("{} bytes after the end of the value", bytes_.size() - at_));
  }

 private:
  [[noreturn]] static void fail(std::size_t offset, const std::string& reason) {
    throw SyntaxError(offset, reason);
  }

  /// The byte to be read next, which belongs to `what`.
  char peek(std::string_view what) const {
    if (at_ >= bytes_.size()) fail(at_, fmt::format("ends in {}", what));
    return bytes_[at_];
  }

  /// Digits up to `terminator`, which is taken too.
  std::string_view take_digits(char terminator, std::string_view what) {
    const std::size_t start = at_;
    while (at_ < bytes_.size() && is_digit(bytes_[at_])) ++at_;
    const std::string_view digits = bytes_.substr(start, at_ - start);
    if (peek(what) != terminator)
      fail(at_, fmt::format("'{}' in {}", printable(bytes_.substr(at_, 1)), what));
    if (digits.empty()) fail(start, fmt::format("no digits in {}", what));
    if (digits.size() > 1 && digits.front() == '0')
      fail(start, fmt::format("a leading zero in {}", what));
    ++at_;
    return digits;
  }

  std::int64_t parse_integer() {
    const std::size_t start = ++at_;
    const bool negative = peek("a number") == '-';
    if (negative) ++at_;
    const std::string_view digits = take_digits('e', "a number");
    if (negative && digits == "0") fail(start, "a number that is minus zero");
    std::int64_t value = 0;
    const char* const end = digits.data() + digits.size();
    if (std::from_chars(negative ? digits.data() - 1 : digits.data(), end, value).ec != std::errc())
      fail(start, "a number beyond 64 bits");
    return value;
  }

  std::string_view parse_string() {
    const std::size_t start = at_;
    const std::string_view digits = take_digits(':', "a string's length");
    const std::size_t left = bytes_.size() - at_;
    std::size_t length = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), length).ec != std::errc() ||
        length > left)
      fail(start,
           fmt::format("a string of {} bytes where {} are left", printable(digits, 24), left));
    const std::string_view text = bytes_.substr(at_, length);
    at_ += length;
    return text;
  }

  Value::List parse_list(std::uint32_t depth) {
    Value::List items;
    ++at_;
    while (peek("a list") != 'e') items.push_back(parse_value(depth));
    ++at_;
    return items;
  }

  Value::Dictionary parse_dictionary(std::uint32_t depth) {
    Value::Dictionary members;
    ++at_;
    while (peek("a dictionary") != 'e') {
      if (!is_digit(bytes_[at_])) fail(at_, "a dictionary's key is not a string");
      const std::string_view key = parse_string();
      if (options_.require_sorted_keys && !members.empty() && key <= members.back().key)
        fail_key(key, key == members.back().key ? "comes twice" : "is out of order");
      members.push_back({key, parse_value(depth)});
    }
    ++at_;
    if (!options_.require_sorted_keys) sort_members(members);
    return members;
  }

  void sort_members(Value::Dictionary& members) const {
    std::ranges::stable_sort(members, {}, &Value::Member::key);
    const auto twice = std::ranges::adjacent_find(members, {}, &Value::Member::key);
    if (twice != members.end()) fail_key(std::next(twice)->key, "comes twice");
  }

  [[noreturn]] void fail_key(std::string_view key, std::string_view reason) const {
    fail(static_cast<std::size_t>(key.data() - bytes_.data()),
         fmt::format("the key '{}' {}", printable(key, 40), reason));
  }

  std::string_view bytes_;
  const ParseOptions& options_;
  std::size_t at_ = 0;
  std::uint32_t values_ = 0;
};

Value parse(std::string_view bytes, const ParseOptions& options) {
  Parser parser(bytes, options);
  Value value = parser.parse_value();
  parser.expect_end();
  return value;
}

Value parse_prefix(std::string_view bytes, const ParseOptions& options) {
  return Parser(bytes, options).parse_value();
}

std::string encode_integer(std::int64_t value) { return fmt::format("i{}e", value); }

std::string encode_string(std::string_view bytes) {
  std::string out = fmt::format("{}:", bytes.size());
  out += bytes;
  return out;
}

std::string encode_list(const std::vector<std::string>& encoded_items) {
  std::string out = "l";
  for (const std::string& item : encoded_items) out += item;
  return out += 'e';
}

DictionaryEncoder& DictionaryEncoder::integer(std::string_view key, std::int64_t value) {
  return encoded(key, encode_integer(value));
}

DictionaryEncoder& DictionaryEncoder::string(std::string_view key, std::string_view bytes) {
  return encoded(key, encode_string(bytes));
}

DictionaryEncoder& DictionaryEncoder::encoded(std::string_view key, std::string value) {
  members_.insert_or_assign(std::string(key), std::move(value));
  return *this;
}

std::string DictionaryEncoder::encode() const {
  std::string out = "d";
  for (const auto& [key, value] : members_) {
    out += encode_string(key);
    out += value;
  }
  return out += 'e';
}

}  // namespace murder::bencode
