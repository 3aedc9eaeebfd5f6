// The names inside DEST, and how its folders are opened: below DEST's descriptor, never by path.
#pragma once

#include <string>
#include <string_view>

#include "base/file.hpp"
#include "host/destination.hpp"

namespace murder::layout {

inline constexpr const char* releases = "releases";
inline constexpr const char* current = "current";
inline constexpr const char* shared = "shared";
inline constexpr const char* own = ".murder";
inline constexpr const char* packs = ".murder/packs";
inline constexpr const char* manifests = ".murder/manifests";
inline constexpr const char* transfers = ".murder/transfers";
inline constexpr const char* lock = "lock";
inline constexpr const char* deploy_lock = "deploy.lock";
inline constexpr const char* journal = "journal";
inline constexpr std::string_view partial_suffix = ".partial";
inline constexpr std::string_view lock_suffix = ".lock";

/// A tag that names a release folder: a valid tag that does not end in ".partial", so that a folder
/// is either a release or one being staged.
bool is_release_tag(std::string_view tag);
/// Throws Error{usage} unless is_release_tag().
void require_release_tag(std::string_view tag);

/// One of the folders above, for reading and for changing what it holds. Throws Error{failed}.
UniqueFd open_folder(const Destination& destination, const std::string& folder);
/// "DEST/releases/v7", for messages.
std::string shown(const Destination& destination, std::string_view below);

}  // namespace murder::layout
