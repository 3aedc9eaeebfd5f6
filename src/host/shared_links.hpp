// What outlives releases (logs, uploads, secrets) lies in DEST/shared and is linked into each of
// them, as Capistrano's linked_dirs and linked_files do.
#pragma once

#include <string>
#include <vector>

#include "host/destination.hpp"

namespace murder {

/// For each of `paths`, releases/TAG/PATH becomes a relative symlink to DEST/shared/PATH. What is
/// not there in shared is made as a folder (with the owner of the folder that it is made in, where
/// this process may give it away); a path that ends in "/" means a folder in any case.
///
/// Something that the release carries at PATH is replaced only if it is an empty folder; such a
/// link that is there already is kept. The links are recorded beside the manifest, so that
/// verify_release() does not take them for drift. May be called again, with other paths too. The
/// caller holds the DestinationLock.
///
/// Throws Error{usage} for a path that is absolute, leads upwards or is no line of text, Error
/// {failed} naming what is in the way; then some of the links may be there.
void link_shared(const Destination& destination, const std::string& tag,
                 const std::vector<std::string>& paths);

/// The paths that link_shared() linked, without a trailing "/"; sorted.
std::vector<std::string> linked_paths(const Destination& destination, const std::string& tag);
/// For a new release of this tag.
void forget_links(const Destination& destination, const std::string& tag);
/// Where the link at `path` leads: "../../shared/log" for "log".
std::string shared_link_target(const std::string& path);

}  // namespace murder
