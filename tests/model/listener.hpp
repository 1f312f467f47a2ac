// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "roomcast/testing/fake_connection.hpp"

namespace model {

/// Watches what one connection hears, knowing nothing of the rest: nothing of
/// a room before its `joined` or after its end, numbers that only grow,
/// nothing after the farewell, nothing sent after the close. Joined frames are
/// one to a line.
///
/// Payloads say where they belong: `m<room>.<n>` is a room's, `a.<n>` that of
/// all rooms, anything else the connection's own.
class Listener {
public:
    static constexpr const char* any_room = "any";

    /// The room whose traffic a frame is, by a membership in it. Of joined ones
    /// it is that of all.
    static std::optional<std::string> room_of(std::string_view frame) {
        std::optional<std::string> found;
        for_each_line(frame, [&](std::string_view line) {
            if (const auto room = room_of_line(line); room && (!found || *found == any_room)) found = room;
        });
        return found;
    }

    /// The room in whose order a frame stands, also when it is the
    /// connection's own; empty when there is none.
    static std::string subject(std::string_view frame) {
        if (const auto room = room_of(frame)) return *room;
        for (const char* event : {"left ", "removed ", "published "})
            if (frame.starts_with(event)) return word(frame, 1);
        return frame.starts_with("not ") ? word(frame, 2) : "";
    }

    /// A room is closed that this connection is in, or whose end it has not
    /// heard yet: a new one of the same name may tell its joins before the old
    /// one has told its removals.
    void closing(const std::string& room, bool is_member) {
        if (is_member || last_.count(room)) doubtful_.insert(room);
    }

    /// What was wrong with it; empty when nothing was.
    std::string hear(const roomcast::testing::Heard& item) {
        using enum roomcast::testing::Heard::Kind;
        if (terminated_) return "after the terminate";
        if (item.kind == terminate) {
            terminated_ = true;
            return {};
        }
        if (closed_) return "after the close";
        if (item.kind == close) {
            closed_ = true;
            return {};
        }
        std::string fault;
        for_each_line(item.text, [&](std::string_view line) {
            if (fault.empty()) fault = hear_line(line);
        });
        return fault;
    }

private:
    template <class Visit>
    static void for_each_line(std::string_view frame, Visit visit) {
        for (;;) {
            const auto end = frame.find('\n');
            visit(frame.substr(0, end));
            if (end == frame.npos) return;
            frame.remove_prefix(end + 1);
        }
    }
    static std::optional<std::string> room_of_line(std::string_view frame) {
        const std::string_view text = payload(frame);
        if (text.starts_with("a.")) return any_room;
        if (text.starts_with('m') && text.size() > 1 && text[1] >= '0' && text[1] <= '9')
            return "r" + std::string(text.substr(1, text.find('.') - 1));
        for (const char* event : {"joined ", "gap ", "presence ", "deleted ", "reset ", "sampled "})
            if (text.starts_with(event)) return word(text, 1);
        if (text.starts_with("moved ")) return std::string(text.substr(text.find('>') + 1));
        return std::nullopt;
    }

    std::string hear_line(std::string_view frame) {
        if (farewell_) return "after the farewell";
        const std::string_view text = payload(frame);
        if (text.starts_with("farewell ")) {
            farewell_ = true;
            return {};
        }
        if (text.starts_with("left ") || text.starts_with("removed ")) {
            last_.erase(word(text, 1));
            return {};
        }
        const auto room = room_of_line(frame);
        if (!room) return {};
        if (text.starts_with("joined ")) return joined(*room, text);
        if (text.starts_with("moved ")) {
            last_.erase(std::string(text.substr(6, text.find('>') - 6)));
            return {};
        }
        if (*room == any_room) return last_.empty() && doubtful_.empty() ? "in no room" : "";
        if (doubtful_.count(*room)) return {};
        const auto here = last_.find(*room);
        if (here == last_.end()) return "not in this room";
        return numbered(here->second, frame, text);
    }

    static std::string_view payload(std::string_view frame) {
        const auto colon = frame.find_first_not_of("0123456789");
        return colon != 0 && colon != frame.npos && frame[colon] == ':' ? frame.substr(colon + 1) : frame;
    }
    static std::string word(std::string_view text, int n) {
        while (n-- > 0) text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
        return std::string(text.substr(0, text.find(' ')));
    }
    static std::uint64_t number(std::string_view text, std::string_view after) {
        return std::strtoull(std::string(text.substr(text.find(after) + after.size())).c_str(), nullptr, 10);
    }

    std::string joined(const std::string& room, std::string_view text) {
        const std::string from(text.substr(text.find("from=") + 5, text.find(" by=") - text.find("from=") - 5));
        if (from != "-") last_.erase(from);
        const std::uint64_t seq = number(text, " seq=");
        last_[room] = seq;
        return {};
    }
    static std::string numbered(std::uint64_t& last, std::string_view frame, std::string_view text) {
        if (text.starts_with("gap ")) {
            const std::uint64_t from = number(text, " of ");
            const std::uint64_t to = number(text, "-");
            const std::uint64_t missed = std::strtoull(word(text, 2).c_str(), nullptr, 10);
            if (from <= last || to < from || missed == 0 || missed > to - from + 1) return "a wrong gap";
            last = to;
            return {};
        }
        if (text.starts_with("reset ")) last = 0;
        if (frame.size() == text.size()) return {};
        const std::uint64_t seq = number(frame, "");
        if (seq <= last) return "the numbers do not grow: " + std::to_string(last);
        last = seq;
        return {};
    }

    std::map<std::string, std::uint64_t> last_;  // by room, where this connection is: the last number heard
    std::set<std::string> doubtful_;
    bool farewell_ = false, closed_ = false, terminated_ = false;
};

}  // namespace model
