// xz, through liblzma: a fifth smaller than gzip, for hosts that can unpack it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace murder {

/// The machine whose programs are compressed: their jumps are made alike first, where every xz can
/// undo that.
enum class XzFilter { none, x86 };

/// The same content gives the same bytes. Takes about 0.4 s a megabyte. Error{failed} when there is
/// no memory for it.
std::string xz(std::string_view content, XzFilter filter);

/// What xz() was given; nullopt when it is damaged, cut short, followed by anything, or does not
/// come to `size` bytes.
std::optional<std::string> unxz(std::string_view compressed, std::size_t size);

}  // namespace murder
