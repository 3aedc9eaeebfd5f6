// Manifests: whatever is accepted is safe to unpack, by rules stated here a second time and
// plainly; it means the same when written again; and a body has one encoding.
#include <set>
#include <string>

#include "base/error.hpp"
#include "harness.hpp"
#include "release/manifest.hpp"
#include "release/manifest_codec.hpp"
#include "release/varint.hpp"

using murder::Entry;
using murder::EntryType;
using murder::Manifest;
using murder::fuzz::must_hold;

namespace {

void must_be_safe(const Manifest& manifest) {
  std::uint64_t stream = 0, pack = 0;
  for (const murder::Frame& frame : manifest.frames) {
    must_hold(frame.raw_offset == stream && frame.stored_offset == pack);
    must_hold(frame.raw_size > 0 && frame.raw_size <= 64u << 20);
    stream += frame.raw_size;
    pack += frame.stored_size;
  }
  std::set<std::string> folders, files;
  std::uint64_t end_of_last = 0;
  std::string last;
  for (const Entry& entry : manifest.entries) {
    must_hold(last < entry.path && entry.path[0] != '/' && entry.mode <= 0777);
    must_hold(entry.path.find('\0') == std::string::npos);
    const std::string framed = '/' + entry.path + '/';
    for (const char* bad : {"//", "/./", "/../"}) must_hold(framed.find(bad) == std::string::npos);
    for (std::size_t i = entry.path.find('/'); i != std::string::npos;
         i = entry.path.find('/', i + 1))
      must_hold(folders.contains(entry.path.substr(0, i)));
    if (entry.type == EntryType::directory) folders.insert(entry.path);
    if (entry.type == EntryType::symlink) must_hold(!entry.link_target.empty());
    if (entry.type == EntryType::hardlink) must_hold(files.contains(entry.link_target));
    if (entry.type == EntryType::file) {
      files.insert(entry.path);
      must_hold(entry.tar_offset >= end_of_last + 512 && entry.tar_offset <= stream &&
                entry.size <= stream - entry.tar_offset);
      end_of_last = entry.tar_offset + entry.size;
    }
    last = entry.path;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  try {
    const Manifest manifest = murder::decode_manifest_body(input);
    must_be_safe(manifest);
    must_hold(murder::encode_manifest_body(manifest) == input);
    must_hold(murder::decode_manifest(murder::encode_manifest(manifest), "input") == manifest);
  } catch (const murder::Malformed&) {
  }
  try {
    must_be_safe(murder::decode_manifest(input, "input"));
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::integrity);
  }
  return 0;
}
