// SPDX-License-Identifier: MIT
// Lines, each of which does one thing to the live-comment service; what they
// may be says `Theatre::act`. The first one may begin with `=` and choose how
// the service is set up, a letter for each option (see `settings`).
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fuzz/demand.hpp"
#include "fuzz/hearer.hpp"
#include "live_comment/fake_chat.hpp"

namespace {

using fuzz::demand;
using nlohmann::json;
using tests::FakeChatSession;
using Service = tests::Chatter::Service;
using Handle = tests::Chatter::Handle;
using Clock = roomcast::testing::ManualClock;
using Rooms = Service::Registry::Options;
using std::chrono::milliseconds;

std::pair<Rooms, live_comment::ServiceOptions> settings(std::string_view letters) {
    Rooms rooms = tests::Stage::default_rooms();
    rooms.max_rooms = 10'000;
    live_comment::ServiceOptions service;
    service.unix_ms = [] { return std::int64_t{1'234'567}; };
    for (const char letter : letters) {
        switch (letter) {
            case 'c': rooms.membership = roomcast::Membership::one_room_per_connection; break;
            case 'm': rooms.membership = roomcast::Membership::many_rooms; break;
            case 'f': rooms.others = roomcast::OtherDevices::follow; break;
            case 'd': rooms.max_devices = 2; break;
            case 'D': rooms.devices = roomcast::DeviceLimit::refuse; break;
            case 'x': rooms.max_rooms = 2; break;
            case 'X': rooms.max_connections = 4; break;
            case 'r': rooms.user_rate = {}, service.commands = {}; break;
            case 'R': rooms.room.rate = {2, 2}; break;
            case 'b': rooms.room.batch_window = milliseconds(10); break;
            case 'q': rooms.max_queued = 1; break;
            case 't': rooms.turn_sends = 1; break;
            case 'o': rooms.outbox_messages = 2, rooms.outbox_control_messages = 4; break;
            case 's': rooms.room.slow_readers = roomcast::SlowReaders::disconnect; break;
            case 'n': rooms.room.slow_readers = roomcast::SlowReaders::drop_newest; break;
            case 'y': rooms.room.history = 3; break;
            case 'l': rooms.room.linger = milliseconds(0); break;
            case 'p': rooms.room.presence_names = 5; break;
            case 'M': rooms.memory = 2'000; break;
            case 'h': service.guest_host = false; break;
            case 'k': service.guest_names = true; break;
            default: break;
        }
    }
    return {std::move(rooms), std::move(service)};
}

class Theatre {
public:
    explicit Theatre(std::string_view letters) : Theatre(settings(letters)) {}

    void act(std::string_view line) {
        if (line.empty()) return;
        const auto rest = line.substr(1);
        const std::size_t seat = (rest.empty() ? 0U : static_cast<unsigned char>(rest[0])) % seats_.size();
        if (line[0] >= '0' && line[0] <= '5') {  // 0{"event":"ping"}: the first client says that
            say(static_cast<std::size_t>(line[0] - '0'), rest);
        } else if (line[0] == '@') {  // @1500: milliseconds pass
            std::int64_t ms = 0;
            for (const char c : rest.substr(0, 6)) ms = ms * 10 + (c >= '0' && c <= '9' ? c - '0' : 0);
            pass(clock_.now() + milliseconds(ms));
        } else if (line[0] == '-') {  // -0: its connection is gone
            gone(seat);
        } else if (line[0] == '~' && seats_[seat].handle) {  // ~0: it reads no more
            seats_[seat].handle->stall();
            seats_[seat].well = false;
            seats_[seat].hearer.may_miss();
        } else if (line[0] == '!' && seats_[seat].handle) {  // !0: it reads again
            seats_[seat].handle->release();
            service_.writable(seats_[seat].handle);
        } else if (line[0] == '*' && seats_[seat].handle) {  // *0: it cannot be sent to any more
            seats_[seat].handle->fail_on(1);
            seats_[seat].well = false;
            seats_[seat].hearer.may_miss();
        } else if (line[0] == '%') {  // %: the server restarts; %%: it stops
            service_.drain(rest.starts_with('%'));
        }
        settle();
    }

    /// Everybody goes; nothing may be left.
    void finish() {
        for (std::size_t seat = 0; seat < seats_.size(); ++seat) gone(seat);
        for (int rounds = 0; due_ != Clock::time_point::max(); ++rounds) {
            demand(rounds < 10'000, "something is always due, with nobody there");
            pass(due_);
        }
        demand(service_.connections() == 0, "a connection is left");
        demand(service_.rooms().count() == roomcast::Counts{}, "somebody is left");
        demand(service_.rooms().room_count() == 0, "a room is left");
        demand(service_.rooms().statistics().memory == 0, "memory is left");
        for (const auto& handle : all_) demand(handle.expired(), "a handle is left");
        if (service_.draining()) return;
        for (const auto& name : names_) {
            say(0, json{{"event", "join"}, {"room", "later"}, {"user", name}}.dump());
            for (const auto& message : seats_[0].messages)
                demand(message.value("code", "") != "name_taken", "a name is kept for nobody", name);
            gone(0);
        }
    }

private:
    struct Seat {
        Handle handle{};
        fuzz::Hearer hearer{};
        std::vector<json> messages{};  // of the last step
        bool well = true;              // takes all that is sent
    };

    explicit Theatre(std::pair<Rooms, live_comment::ServiceOptions> setting)
        : batches_(setting.first.room.batch_window.count() != 0),
          service_(
              [&] {
                  setting.first.wake = [this](Clock::time_point time) { due_ = std::min(due_, time); };
                  return std::move(setting.first);
              }(),
              std::move(setting.second), clock_) {}

    void pass(Clock::time_point time) {
        // One stop at a time, as a timer would have it.
        for (int rounds = 0; rounds < 1'000 && due_ <= time; ++rounds) {
            clock_.advance_to(due_);
            settle();
        }
        clock_.advance_to(time);
        settle();
    }

    /// Does what is due now, and listens.
    void settle() {
        for (int rounds = 0; due_ <= clock_.now(); ++rounds) {
            demand(rounds < 1'000, "what is due now never comes to an end");
            due_ = Clock::time_point::max();
            due_ = std::min(due_, service_.tick());
        }
        for (std::size_t seat = 0; seat < seats_.size(); ++seat) listen(seat);
    }

    void listen(std::size_t number) {
        Seat& seat = seats_[number];
        if (!seat.handle) return;
        auto messages = seat.hearer.hear(seat.handle->take_heard());
        for (const auto& message : messages)
            if (message["event"] == "joined" && names_.size() < 8)
                for (const char* field : {"user", "name"}) names_.insert(message.at(field).get<std::string>());
        std::move(messages.begin(), messages.end(), std::back_inserter(seat.messages));
        if (seat.handle->terminates() != 0) gone(number);
    }

    void gone(std::size_t number) {
        Seat& seat = seats_[number];
        if (!seat.handle) return;
        service_.closed(seat.handle);
        seat = {};
    }

    void say(std::size_t number, std::string_view text) {
        Seat& seat = seats_[number];
        if (!seat.handle) {
            seat.handle = std::make_shared<FakeChatSession>(++last_id_);
            all_.push_back(seat.handle);
            service_.opened(seat.handle);
        }
        settle();
        if (!seat.handle || seat.hearer.closed()) return;  // a transport reads no more
        seat.messages.clear();
        const bool was_over = seat.hearer.over();
        service_.received(seat.handle, text);
        settle();
        // Whoever is sent away has its answer.
        if (seat.handle && seat.well && !seat.hearer.over() && !was_over) demand_answer(seat.messages, text);
    }

    void demand_answer(const std::vector<json>& messages, std::string_view text) const {
        const auto said = live_comment::parse(text);
        std::string id, of;
        if (const auto* refused = std::get_if<live_comment::Refused>(&said)) {
            const auto fits = [&](const json& m) {
                return m["event"] == "error" && m["code"] == std::string(refused->code) && m.value("id", "") == refused->id &&
                       m.value("of", "") == refused->of;
            };
            return demand(std::any_of(messages.begin(), messages.end(), fits), "a bad message is not answered", text);
        }
        const auto& request = std::get<live_comment::Request>(said);
        using live_comment::GiftRequest, live_comment::CommentRequest;
        const char* const events[]{"join", "leave", "comment", "gift", "like", "delete", "ping", "kick"};
        static_assert(std::variant_size_v<live_comment::AnyRequest> == std::size(events));
        const std::string event = events[request.what.index()];
        const bool message = event == "comment" || event == "gift";
        if (event == "like" || (message && batches_)) return;
        const auto fits = [&](const json& m) {
            if (m.value("of", "") == event && m.value("id", "") == request.id) return true;
            return message && request.id.empty() && m["event"] == event;
        };
        const auto answer = std::find_if(messages.begin(), messages.end(), fits);
        demand(answer != messages.end(), "a request is not answered", text);
        const auto* join = std::get_if<live_comment::JoinRequest>(&request.what);
        if (!join || (*answer)["event"] != "joined") return;
        demand((*answer)["room"] == join->room && (*answer)["was_recovering"] == join->since.has_value(),
               "a join is answered for another one", text);
        if ((*answer)["recovered"] == true)
            demand((*answer)["history"].size() == (*answer)["seq"].get<std::uint64_t>() - join->since->seq,
                   "a recovery that leaves something out", text);
    }

    const bool batches_;
    Clock clock_;
    Clock::time_point due_ = Clock::time_point::max();
    std::uint64_t last_id_ = 0;
    std::vector<std::weak_ptr<FakeChatSession>> all_;
    std::set<std::string> names_;
    Service service_;
    std::array<Seat, 6> seats_{};
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    spdlog::set_level(spdlog::level::off);
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto line = [&] {
        const auto text = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(text.size() + 1, rest.size()));
        return text;
    };
    Theatre theatre(rest.starts_with('=') ? line() : std::string_view());
    while (!rest.empty()) theatre.act(line());
    theatre.finish();
    return 0;
}
