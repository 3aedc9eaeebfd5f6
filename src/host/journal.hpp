// The journal's file, for those that may have to take a line back. Callers hold the
// DestinationLock.
#pragma once

#include <cstdint>

#include "host/destination.hpp"

namespace murder {

/// append_journal(), and the size of the file before, for truncate_journal(). On failure the
/// journal is as it was.
std::uint64_t append_journal_line(const Destination& destination, const JournalEntry& entry);
/// Takes back what was appended since; errors are ignored: a line too many does no harm, since
/// `current` says what is live.
void truncate_journal(const Destination& destination, std::uint64_t size);

/// Seconds since the epoch.
std::int64_t now_seconds();

}  // namespace murder
