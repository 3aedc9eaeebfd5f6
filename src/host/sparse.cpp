#include "host/sparse.hpp"

#include <cstddef>
#include <cstring>

#include "host/beneath.hpp"

namespace murder {
namespace {

/// How much of `data` belongs to the block that it begins in.
std::string_view first_block(std::string_view data, std::uint64_t offset) {
  return data.substr(0, sparse_block_bytes - offset % sparse_block_bytes);
}

bool is_zero(std::string_view block) {
  return block.front() == '\0' &&
         std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
}

/// How many bytes at the begin of `data` are zeros, block by block.
std::size_t count_zeros(std::string_view data, std::uint64_t offset) {
  std::size_t count = 0;
  while (count < data.size()) {
    const std::string_view block = first_block(data.substr(count), offset + count);
    if (!is_zero(block)) break;
    count += block.size();
  }
  return count;
}

}  // namespace

bool write_sparse_at(int fd, std::string_view data, std::uint64_t offset) {
  std::size_t written = 0;
  std::size_t position = 0;
  while (position < data.size()) {
    const std::string_view rest = data.substr(position);
    const std::size_t zeros = count_zeros(rest, offset + position);
    if (zeros >= shortest_hole_bytes) {
      if (!write_all_at(fd, data.substr(written, position - written), offset + written))
        return false;
      written = position + zeros;
    }
    position += zeros != 0 ? zeros : first_block(rest, offset + position).size();
  }
  return write_all_at(fd, data.substr(written), offset + written);
}

}  // namespace murder
