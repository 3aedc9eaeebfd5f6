#include "release/tar.hpp"

#include <array>
#include <cstring>
#include <fmt/format.h>
#include <span>
#include <string_view>

namespace murder {
namespace {

constexpr std::uint64_t largest_octal_11 = 077777777777;  // size and mtime fields

// A ustar header block; the layout is POSIX's.
struct UstarHeader {
  std::array<char, 100> name;
  std::array<char, 8> mode;
  std::array<char, 8> uid;
  std::array<char, 8> gid;
  std::array<char, 12> size;
  std::array<char, 12> mtime;
  std::array<char, 8> checksum;
  char type;
  std::array<char, 100> linkname;
  std::array<char, 6> magic;
  std::array<char, 2> version;
  std::array<char, 32> uname;
  std::array<char, 32> gname;
  std::array<char, 8> devmajor;
  std::array<char, 8> devminor;
  std::array<char, 155> prefix;
  std::array<char, 12> padding;
};
static_assert(sizeof(UstarHeader) == tar_block_bytes);

// Zero-padded to the field, with the NUL that ends it.
void put_octal(std::span<char> field, std::uint64_t value) {
  field.back() = '\0';
  for (std::size_t i = field.size() - 1; i-- > 0; value >>= 3)
    field[i] = static_cast<char>('0' + (value & 7));
}

// As much as fits: what does not is in a pax record, which readers prefer.
void put_text(std::span<char> field, std::string_view text) {
  std::memcpy(field.data(), text.data(), std::min(field.size(), text.size()));
}

char type_flag(EntryType type) {
  switch (type) {
    case EntryType::file:
      return '0';
    case EntryType::hardlink:
      return '1';
    case EntryType::symlink:
      return '2';
    case EntryType::directory:
      return '5';
  }
  return '0';
}

UstarHeader blank_header(char type, std::uint32_t mode, std::uint64_t size, std::uint64_t mtime) {
  UstarHeader header{};
  put_octal(header.mode, mode);
  put_octal(header.uid, 0);
  put_octal(header.gid, 0);
  put_octal(header.size, size);
  put_octal(header.mtime, mtime);
  header.type = type;
  put_text(header.magic, "ustar");
  put_text(header.version, "00");
  put_octal(header.devmajor, 0);
  put_octal(header.devminor, 0);
  return header;
}

void append(std::string& out, UstarHeader header) {
  header.checksum.fill(' ');
  unsigned sum = 0;
  std::array<unsigned char, sizeof header> bytes{};
  std::memcpy(bytes.data(), &header, sizeof header);
  for (const unsigned char byte : bytes) sum += byte;
  put_octal(std::span(header.checksum).first(7), sum);
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (length != rest + fmt::formatted_size("{}", length))
    length = rest + fmt::formatted_size("{}", length);
  return fmt::format("{} {}={}\n", length, key, value);
}

// Puts the path into name, or into prefix and name, cut at a slash. False when neither holds it.
bool put_path(UstarHeader& header, std::string_view path) {
  if (path.size() <= header.name.size()) {
    put_text(header.name, path);
    return true;
  }
  const std::size_t slash = path.find('/', path.size() - header.name.size() - 1);
  if (slash == std::string_view::npos || slash == 0 || slash > header.prefix.size() ||
      slash + 1 == path.size()) {
    put_text(header.name, path);
    return false;
  }
  put_text(header.prefix, path.substr(0, slash));
  put_text(header.name, path.substr(slash + 1));
  return true;
}

}  // namespace

std::string tar_header(const Entry& entry, std::int64_t mtime) {
  const std::uint64_t size = entry.type == EntryType::file ? entry.size : 0;
  const bool size_fits = size <= largest_octal_11;
  const bool mtime_fits = mtime >= 0 && static_cast<std::uint64_t>(mtime) <= largest_octal_11;
  UstarHeader header = blank_header(type_flag(entry.type), entry.mode, size_fits ? size : 0,
                                    mtime_fits ? static_cast<std::uint64_t>(mtime) : 0);
  const std::string path = entry.type == EntryType::directory ? entry.path + '/' : entry.path;
  put_text(header.linkname, entry.link_target);

  std::string records;
  if (!put_path(header, path)) records += pax_record("path", path);
  if (entry.link_target.size() > header.linkname.size())
    records += pax_record("linkpath", entry.link_target);
  if (!size_fits) records += pax_record("size", std::to_string(size));
  if (!mtime_fits) records += pax_record("mtime", std::to_string(mtime));

  std::string out;
  if (!records.empty()) {
    UstarHeader extended = blank_header('x', 0644, records.size(), 0);
    put_text(extended.name, "PaxHeaders/entry");
    append(out, extended);
    records.resize(static_cast<std::size_t>(tar_padded(records.size())), '\0');
    out += records;
  }
  append(out, header);
  return out;
}

}  // namespace murder
