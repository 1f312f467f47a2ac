// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz/demand.hpp"
#include "roomcast/testing/fake_connection.hpp"

namespace fuzz {

using nlohmann::json;

/// What one client of the live comments hears, held against what it may expect:
/// valid JSON; nothing of a room before its `joined` and after its end; numbers
/// without a jump that no `gap` explains; nothing after the farewell but pongs.
class Hearer {
public:
    using Heard = roomcast::testing::Heard;

    /// It may miss messages from here on, as a slow reader does.
    void may_miss() { misses_ = true; }
    /// It has heard its farewell, or was closed.
    [[nodiscard]] bool over() const { return over_; }
    [[nodiscard]] bool closed() const { return closed_; }

    /// Returns the messages of it.
    std::vector<json> hear(const std::vector<Heard>& heard) {
        std::vector<json> messages;
        for (const Heard& item : heard) {
            if (item.kind != Heard::Kind::send) {
                over_ = closed_ = true;
                last_.clear();
                continue;
            }
            for (std::string_view rest = item.text; !rest.empty();) {  // a batch has one in each line
                const auto line = rest.substr(0, rest.find('\n'));
                rest.remove_prefix(std::min(line.size() + 1, rest.size()));
                messages.push_back(json::parse(line, nullptr, false));
                check(messages.back(), line);
            }
        }
        return messages;
    }

private:
    void check(const json& message, std::string_view text) {
        demand(message.is_object() && message.contains("event") && message["event"].is_string(), "not a message", text);
        const std::string& event = message["event"].get_ref<const std::string&>();
        demand(!over_ || event == "pong", "something comes after the farewell", text);
        if (event == "joined") return joined(message, text);
        if (event == "force_disconnect") {
            over_ = true;
            last_.clear();
        } else if (event == "moved") {
            leave(message.at("from"), text);
        } else if (event == "removed") {
            leave(message.at("room"), text);
        } else if (event == "left") {
            if (message.contains("room")) last_.erase(message["room"].get<std::string>());
        } else if (event != "ok" && event != "pong" && event != "error") {
            of_room(event, message, text);
        }
    }

    void of_room(const std::string& event, const json& message, std::string_view text) {
        const auto at = last_.find(message.at("room").get<std::string>());
        demand(at != last_.end(), "something comes from a room where it is not", text);
        if (event == "comment" || event == "gift") {
            const auto seq = message.at("seq").get<std::uint64_t>();
            demand(seq > at->second, "a number comes again", text);
            demand(seq == at->second + 1 || seq - 1 <= gaps_[at->first], "a number is left out", text);
            at->second = seq;
        } else if (event == "gap") {
            const auto from = message.at("from").get<std::uint64_t>(), to = message.at("to").get<std::uint64_t>();
            demand(misses_, "a reader that is not slow misses something", text);
            demand(from <= to && message.at("dropped").get<std::uint64_t>() <= to - from + 1, "a gap of nothing", text);
            gaps_[at->first] = std::max(gaps_[at->first], to);
        } else {
            demand(event == "like" || event == "presence" || event == "deleted" || event == "sampled",
                   "an event that is none", text);
        }
    }

    void joined(const json& message, std::string_view text) {
        if (message.contains("from")) last_.erase(message["from"].get<std::string>());
        const std::string room = message.at("room");
        const auto seq = message.at("seq").get<std::uint64_t>();
        const auto at = last_.find(room);
        demand(at == last_.end() || misses_ || seq == at->second, "a join where one is comes out of order", text);
        std::uint64_t before = 0;
        for (const auto& entry : message.at("history")) {
            const auto number = entry.at("seq").get<std::uint64_t>();
            demand(before == 0 || number == before + 1, "history leaves something out", text);
            before = number;
        }
        demand(before == 0 || before == seq, "history does not reach up to the top", text);
        const auto& online = message.at("online");
        demand(online.at("users").get<std::uint64_t>() <= online.at("connections").get<std::uint64_t>(),
               "more users than connections", text);
        last_[room] = seq;
        gaps_.erase(room);
    }

    void leave(const std::string& room, std::string_view text) {
        demand(last_.erase(room) == 1, "it leaves where it is not", text);
    }

    std::map<std::string, std::uint64_t> last_;  // room: its last number
    std::map<std::string, std::uint64_t> gaps_;  // room: up to where something may be missing
    bool misses_ = false;
    bool over_ = false, closed_ = false;
};

}  // namespace fuzz
