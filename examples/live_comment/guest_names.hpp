// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "random.hpp"

namespace live_comment {

/// Keeps names and user ids that are in use from strangers: who comes first
/// gets a key, and others need it. Free again when its last holder has gone.
///
/// Thread safety: all functions may be called concurrently.
class GuestNames {
public:
    /// Holds `user` and `name` for one more connection. Returns the key, or
    /// nothing when one of the two is another's.
    [[nodiscard]] std::optional<std::string> claim(std::string_view user, std::string_view name,
                                                   std::string_view key) {
        const std::lock_guard lock(mutex_);
        const Holding* held = nullptr;
        for (const auto label : {user, name}) {
            const auto at = labels_.find(label);
            if (at == labels_.end()) continue;
            if (at->second.key != key) return std::nullopt;
            held = &at->second;
        }
        // A key of ours, kept from before a restart, goes on: so the devices
        // of a user come back in any order.
        const std::string granted = held || is_key(key) ? std::string(key) : random_hex(key_digits / 16);
        hold(user, granted);
        if (name != user) hold(name, granted);
        return granted;
    }

    void release(std::string_view user, std::string_view name) {
        const std::lock_guard lock(mutex_);
        drop(user);
        if (name != user) drop(name);
    }

private:
    static constexpr std::size_t key_digits = 32;

    struct Holding {
        std::string key;
        std::size_t connections = 0;
    };

    static bool is_key(std::string_view key) noexcept {
        return key.size() == key_digits && key.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    }
    void hold(std::string_view label, const std::string& key) {
        auto at = labels_.find(label);
        if (at == labels_.end()) at = labels_.emplace(std::string(label), Holding{key}).first;
        ++at->second.connections;
    }
    void drop(std::string_view label) {
        const auto at = labels_.find(label);
        if (at != labels_.end() && --at->second.connections == 0) labels_.erase(at);
    }

    std::mutex mutex_;
    std::map<std::string, Holding, std::less<>> labels_;  // guarded by mutex_
};

}  // namespace live_comment
