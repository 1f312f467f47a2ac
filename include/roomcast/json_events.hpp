// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "roomcast/close_code.hpp"
#include "roomcast/events.hpp"
#include "roomcast/json_text.hpp"

namespace roomcast {

/// An epoch as clients see it: opaque, 16 hexadecimal digits.
[[nodiscard]] inline std::string epoch_text(std::uint64_t epoch) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string text(16, '0');
    for (std::size_t at = text.size(); epoch != 0; epoch >>= 4) text[--at] = hex[epoch & 15];
    return text;
}

/// Writes the control events as JSON, in the words of the live-comment
/// protocol. Derive from it and hide those that should say more; see
/// SilentEvents. `published` says nothing: hosts that confirm messages say how.
struct JsonEvents : SilentEvents {
    /// History entries are `{"seq", "payload"}`, the payload as a string, or
    /// `{"seq", "deleted": true}`.
    template <class T>
    std::string joined(const JoinedEvent<T>& e) const {
        std::string history = "[";
        for (const auto& entry : e.history) {
            if (history.size() > 1) history += ',';
            JsonText item;
            item("seq", entry.seq);
            if (entry.deleted) item("deleted", true);
            else item("payload", entry.payload);
            history += std::move(item).str();
        }
        history += ']';
        JsonText online;
        online("users", e.counts.users)("connections", e.counts.connections);
        JsonText json;
        json("event", "joined")("room", e.room)("user", e.user);
        if (e.from) json("from", *e.from);
        json("epoch", epoch_text(e.position.epoch))("seq", e.position.seq);
        json.raw("online", std::move(online).str());
        json("was_recovering", e.was_recovering)("recovered", e.recovered);
        json.raw("history", history);
        return std::move(json).str();
    }

    template <class T>
    std::string moved(const MovedEvent<T>& e) const {
        return std::move(JsonText()("event", "moved")("from", e.from)("to", e.to)).str();
    }

    template <class T>
    std::string left(const LeftEvent<T>& e) const {
        return std::move(JsonText()("event", "left")("room", e.room)).str();
    }

    template <class T>
    std::string removed(const RemovedEvent<T>& e) const {
        JsonText json;
        json("event", "removed")("room", e.room)("code", e.reason.code)("reason", e.reason.text);
        retry(json, e.reason);
        return std::move(json).str();
    }

    /// Empty for codes under 4000: those are told by the close alone.
    template <class T>
    std::string force_disconnect(const ForceDisconnectEvent<T>& e) const {
        if (static_cast<std::uint16_t>(e.reason.code) < 4000) return {};
        JsonText json;
        json("event", "force_disconnect")("code", e.reason.code)("reason", e.reason.text);
        json("reconnect", to_string(reconnect_of(e.reason.code)));
        if (e.room) json("room", *e.room);
        retry(json, e.reason);
        return std::move(json).str();
    }

    template <class T>
    std::string gap(const GapEvent<T>& e) const {
        JsonText json;
        json("event", "gap")("room", e.room)("dropped", e.dropped)("from", e.from)("to", e.to);
        return std::move(json).str();
    }

    /// Names are those of users.
    template <class T>
    std::string presence(const PresenceEvent<T>& e) const {
        JsonText json;
        json("event", "presence")("room", e.room)("users", e.counts.users)("connections", e.counts.connections);
        names(json, "came", e.came);
        names(json, "went", e.went);
        return std::move(json).str();
    }

    template <class T>
    std::string deleted(const DeletedEvent<T>& e) const {
        return std::move(JsonText()("event", "deleted")("room", e.room)("seq", e.seq)).str();
    }

    template <class T>
    std::string reset(const ResetEvent<T>& e) const {
        JsonText json;
        json("event", "reset")("room", e.room)("epoch", epoch_text(e.position.epoch))("seq", e.position.seq);
        return std::move(json).str();
    }

    template <class T>
    std::string sampled(const SampledEvent<T>& e) const {
        return std::move(JsonText()("event", "sampled")("room", e.room)("left_out", e.left_out)).str();
    }

private:
    template <class T>
    static void names(JsonText& json, std::string_view field, std::span<const PresenceName<T>> all) {
        if (all.empty()) return;
        std::string text = "[";
        for (const auto& one : all) {
            if (text.size() > 1) text += ',';
            JsonText::append(text, one.user);
        }
        json.raw(field, text += ']');
    }

    static void retry(JsonText& json, const CloseReason& reason) {
        if (reason.retry_after.count() > 0) json("retry_after_ms", reason.retry_after.count());
    }
};

}  // namespace roomcast
