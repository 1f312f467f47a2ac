// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/operation.hpp"
#include "model/words.hpp"
#include "roomcast/results.hpp"

namespace model {

/// What a room says of its people, and when.
class Presence {
public:
    explicit Presence(const RoomOptions& options = {})
        : spacing_(options.presence), most_names_(spacing_.count() > 0 ? options.presence_names : 0) {}

    void changed() { changed_ = true; }
    void came(int user) {
        if (std::erase_if(went_, [&](const NameText& name) { return name.first == user_name(user); }) == 0 && has_place())
            came_.push_back(user);
    }
    void went(int user, int info) {
        if (std::erase(came_, user) == 0 && has_place()) went_.emplace_back(user_name(user), info);
    }

    /// After whatever may have changed something.
    void look(Time now) {
        if (!changed_ || due_ || spacing_.count() <= 0) return;
        const Time soon = now + std::min(spacing_ / 10, milliseconds(100));  // others may come with it
        due_ = told_at_ ? std::max<Time>(soon, *told_at_ + spacing_) : soon;
    }
    [[nodiscard]] std::optional<Time> due() const { return due_; }

    /// What is to be told now, if anything is; `infos` are those who are here.
    template <class Infos>
    std::optional<std::string> take(const std::string& room, roomcast::Counts counts, Time now, const Infos& info_of) {
        if (!due_ || *due_ > now) return std::nullopt;
        due_.reset();
        changed_ = false;
        const bool may_name = !too_many_ && counts.users <= most_names_;
        const bool named = may_name && !(came_.empty() && went_.empty());
        if (counts.connections == 0 || (counts == told_ && !named)) return std::nullopt;
        told_at_ = now;
        told_ = counts;
        std::vector<NameText> came, went;
        if (may_name) {
            for (const int user : came_) came.emplace_back(user_name(user), info_of(user));
            went = went_;
        }
        came_.clear();
        went_.clear();
        too_many_ = false;
        return presence_text(room, counts, came, went);
    }

private:
    /// More names than twice the most that are ever told: none are, next time.
    bool has_place() {
        if (came_.size() + went_.size() >= 2 * most_names_) too_many_ = true;
        if (too_many_) came_.clear(), went_.clear();
        return !too_many_;
    }

    milliseconds spacing_;
    std::size_t most_names_;
    bool changed_ = false, too_many_ = false;
    std::vector<int> came_{};
    std::vector<NameText> went_{};
    roomcast::Counts told_{};
    std::optional<Time> told_at_{}, due_{};
};

}  // namespace model
