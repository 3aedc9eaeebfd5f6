#include "bittorrent/udp_exchange.hpp"

#include <utility>
#include <variant>

#include "base/error.hpp"

namespace murder::udp_tracker {
namespace {

constexpr Duration valid_for = std::chrono::minutes(1);
constexpr Duration first_patience = std::chrono::seconds(1);

}  // namespace

Exchange::Exchange(Question question, std::optional<Connection> known, Random& random, Instant now)
    : question_(std::move(question)),
      connection_(known),
      is_old_(known.has_value()),
      random_(random) {
  begin_step(now);
}

void Exchange::begin_step(Instant now) {
  transaction_ = TransactionId(static_cast<std::uint32_t>(random_.next()));
  due_ = now;
  patience_ = first_patience;
  sent_ = false;
}

std::optional<std::string> Exchange::take_due(Instant now) {
  if (done_ || now < due_) return std::nullopt;
  // A tracker that was started anew may meet an id that it does not know with silence.
  const bool is_in_doubt = is_old_ && sent_;
  if (connection_ && (is_in_doubt || now >= connection_->until)) {
    connection_.reset();
    is_old_ = false;
    begin_step(now);
  }
  due_ = now + patience_;
  patience_ *= 2;
  sent_ = true;
  if (!connection_) return encode_connect(transaction_);
  return encode_announce(connection_->id, transaction_, question_.request, question_.key,
                         question_.target);
}

void Exchange::on_packet(std::string_view packet, Instant now) {
  if (done_ || !sent_) return;
  Reply reply = decode_reply(packet, question_.over_v6);
  if (reply.transaction != transaction_) return;
  if (auto* refused = std::get_if<Refused>(&reply.body)) {
    if (is_old_) {
      // "Connection ID mismatch", most likely.
      connection_.reset();
      is_old_ = false;
      return begin_step(now);
    }
    return end(refused->reason.empty() ? "it refuses without a reason"
                                       : printable(refused->reason, 300));
  }
  if (const auto* malformed = std::get_if<Malformed>(&reply.body))
    return end("it sent " + malformed->reason);
  if (const auto* connected = std::get_if<Connected>(&reply.body)) {
    if (connection_) return end("it answered a connect where an announce was to be answered");
    connection_ = Connection{connected->connection, now + valid_for};
    return begin_step(now);
  }
  if (!connection_) return end("it answered an announce where a connect was to be answered");
  answer_ = std::get<AnnounceReply>(std::move(reply.body));
  end("");
}

void Exchange::end(std::string problem) {
  done_ = true;
  problem_ = std::move(problem);
}

}  // namespace murder::udp_tracker
