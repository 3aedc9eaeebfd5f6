#include "node/transfer_control.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"

namespace murder::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_warnings = 50;
constexpr std::size_t max_trackers = 16;
/// Who started the transfer may need that long to come and hear how it ended.
constexpr auto patience_for_the_first = std::chrono::seconds(5);

double seconds_now() { return to_seconds(std::chrono::steady_clock::now().time_since_epoch()); }

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string state_line(const TransferState& state) {
  Json json;
  json["schema"] = 1;
  json["t"] = seconds_now();
  json["event"] = "transfer";
  json["tag"] = state.tag;
  json["info_hash"] = state.info_hash.hex();
  json["state"] = state.state;
  json["size_bytes"] = state.size_bytes;
  json["have_bytes"] = state.have_bytes;
  json["pieces"] = state.pieces;
  json["have_pieces"] = state.have_pieces;
  json["seeder"] = state.seeder;
  if (state.listening) json["listening"] = state.listening->to_string();
  return line_of(json);
}

/// The error that is being handled, as fields of an answer.
void add_error(Json& answer) {
  try {
    throw;
  } catch (const Error& error) {
    answer["error"] = error.what();
    answer["kind"] = events::error_kind_name(error.kind());
  } catch (const std::exception& error) {
    answer["error"] = error.what();
    answer["kind"] = events::error_kind_name(ErrorKind::failed);
  }
}

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::usage, why); }

std::vector<std::string> urls_of(const Json& order) {
  const auto urls = order.find("urls");
  if (urls == order.end() || !urls->is_array() || urls->empty() || urls->size() > max_trackers)
    refuse(fmt::format("trackers: \"urls\" has to be a list of 1 to {} URLs", max_trackers));
  std::vector<std::string> result;
  for (const Json& url : *urls) {
    if (!url.is_string()) refuse("trackers: a URL has to be a text");
    result.push_back(url.get<std::string>());
  }
  return result;
}

}  // namespace

TransferControl::TransferControl(boost::asio::io_context& io, const Destination& destination,
                                 const std::string& tag, Transfer& transfer,
                                 events::EventSink& events)
    : transfer_(transfer), events_(events), socket_(io, destination, tag, *this) {}

void TransferControl::emit(const events::Event& event) {
  events_.emit(event);
  const std::string line = events::to_json_line(event, seconds_now());
  remember(event, line);
  socket_.tell(line);
}

void TransferControl::remember(const events::Event& event, const std::string& line) {
  if (std::holds_alternative<events::Warning>(event)) {
    warnings_.push_back(line);
    if (warnings_.size() > max_warnings) warnings_.pop_front();
  } else if (std::holds_alternative<events::TrackerState>(event)) {
    tracker_ = line;
  } else if (std::holds_alternative<events::Listening>(event) ||
             std::holds_alternative<events::Complete>(event) ||
             std::holds_alternative<events::Staged>(event) ||
             std::holds_alternative<events::Activated>(event) ||
             std::holds_alternative<events::ErrorEvent>(event)) {
    past_.push_back(line);
  }
}

void TransferControl::tell_error(const std::exception_ptr& error) {
  events::ErrorEvent event;
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    event = {e.kind(), e.what()};
  } catch (const std::exception& e) {
    event.message = e.what();
  }
  const std::string line = events::to_json_line(event, seconds_now());
  remember(event, line);
  socket_.tell(line);
}

void TransferControl::drain(std::function<void()> done) {
  socket_.drain(patience_for_the_first, std::move(done));
}

std::vector<std::string> TransferControl::greeting() {
  std::vector<std::string> lines{state_line(transfer_.state())};
  lines.insert(lines.end(), warnings_.begin(), warnings_.end());
  if (!tracker_.empty()) lines.push_back(tracker_);
  lines.insert(lines.end(), past_.begin(), past_.end());
  return lines;
}

void TransferControl::on_order(orders::Frame frame, ControlSocket::Answer answer) {
  Json reply;
  std::string attachment;
  try {
    const Json order = Json::parse(frame.json, nullptr, false);
    if (!order.is_object() || !order.contains("order") || !order["order"].is_string())
      refuse("not an order: a JSON object with \"order\" is needed");
    const auto name = order["order"].get<std::string>();
    if (name == "pieces") {
      const auto piece = order.find("piece");
      take_piece(piece != order.end() && piece->is_number_unsigned()
                     ? std::optional(piece->get<std::uint64_t>())
                     : std::nullopt,
                 std::move(frame.attachment), answer);
      return;
    }
    if (name == "have") {
      reply["have"] = true;
      attachment = transfer_.have().to_wire();
    } else if (name == "trackers") {
      const std::vector<std::string> urls = urls_of(order);
      // The last one that is added is asked first.
      for (auto url = urls.rbegin(); url != urls.rend(); ++url) transfer_.add_tracker(*url);
      reply["trackers"] = urls.size();
    } else if (name == "finish") {
      transfer_.finish();
      reply["finish"] = true;
    } else if (name == "stop") {
      reply["stop"] = true;
      answer(line_of(reply), {});
      transfer_.give_up();
      return;
    } else {
      refuse(fmt::format("no such order: {}", printable(name)));
    }
  } catch (...) {
    add_error(reply);
  }
  answer(line_of(reply),
         std::span(reinterpret_cast<const std::uint8_t*>(attachment.data()), attachment.size()));
}

void TransferControl::take_piece(std::optional<std::uint64_t> piece,
                                 std::vector<std::uint8_t> bytes,
                                 const ControlSocket::Answer& answer) {
  if (!piece || *piece > ~std::uint32_t{0}) refuse("pieces: \"piece\" has to be a piece's number");
  const auto reply = [answer, number = *piece](const std::exception_ptr& error) {
    Json json;
    json["fed"] = number;
    try {
      if (error) std::rethrow_exception(error);
    } catch (...) {
      add_error(json);
    }
    answer(line_of(json), {});
  };
  try {
    transfer_.feed(PieceIndex(static_cast<std::uint32_t>(*piece)), std::move(bytes),
                   [this, reply](const std::exception_ptr& error) {
                     reply(error);
                     socket_.resume();
                   });
  } catch (...) {
    reply(std::current_exception());
  }
}

}  // namespace murder::node
