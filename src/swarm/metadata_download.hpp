// The info dictionary from one peer (BEP 9), as a state machine without I/O: what to say to it, and
// what its answers make of it. Each peer is asked for all of it, so that what does not match the
// info-hash has one author.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "bittorrent/wire.hpp"

namespace murder::swarm {

class MetadataDownload {
 public:
  enum class Outcome : std::uint8_t {
    going_on,
    done,     ///< metadata() has it
    useless,  ///< the peer has none to give, now
    hostile,  ///< wrong data, or sizes beyond reason: never to be asked again
  };

  explicit MetadataDownload(const InfoHash& info_hash) : info_hash_(info_hash) {}

  /// What is said first, after the handshake.
  wire::Message greeting() const;
  /// What follows from a message. `reply`: what is to be sent.
  Outcome on_message(const wire::Message& message, std::vector<wire::Message>& reply);

  /// The info dictionary, of the right info-hash.
  const std::string& metadata() const { return metadata_; }
  /// Why it is useless or hostile.
  const std::string& reason() const { return reason_; }

 private:
  Outcome on_handshake(const std::string& payload, std::vector<wire::Message>& reply);
  Outcome on_data(std::uint32_t piece, const std::string& data, std::vector<wire::Message>& reply);
  Outcome give_up(Outcome outcome, std::string reason);
  void request_more(std::vector<wire::Message>& reply);

  InfoHash info_hash_;
  std::uint8_t their_id_ = 0;
  std::uint32_t size_ = 0;  ///< 0: not known yet
  std::uint32_t next_ = 0;  ///< piece to ask for
  std::vector<std::optional<std::string>> pieces_;
  std::uint32_t received_ = 0;
  std::string metadata_;
  std::string reason_;
};

}  // namespace murder::swarm
