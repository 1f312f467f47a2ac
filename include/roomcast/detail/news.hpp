// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "roomcast/config.hpp"
#include "roomcast/detail/fair_sampler.hpp"
#include "roomcast/detail/later.hpp"
#include "roomcast/detail/least.hpp"
#include "roomcast/detail/work.hpp"
#include "roomcast/events.hpp"
#include "roomcast/results.hpp"

namespace roomcast::detail {

/// What a room has to tell of itself, and when: its counts, who came and went,
/// how many messages its rate left out. Guarded by the lock.
template <class T>
class News {
    using time_point = typename T::time_point;
    using Options = BasicRoomOptions<time_point>;

public:
    /// Who is to be named. The users are kept alive until `release`.
    class Named {
    public:
        /// While the infos live.
        [[nodiscard]] PresenceEvent<T> event(const typename T::room_id& room, const Counts& counts) const noexcept {
            return {room, counts, {names_.get(), came_}, {names_.get() + came_, count_ - came_}};
        }
        /// To be freed without the lock: they may be the last holders.
        [[nodiscard]] auto take_infos() noexcept { return std::move(infos_); }

    private:
        friend class News;
        void add(User<T>& user, const Info<T>& info) noexcept {
            ++user.references;
            users_[count_] = &user;
            infos_[count_] = info;
            names_[count_++] = {view_of(user.id), info.get()};
        }
        Owner<PresenceName<T>[]> names_;  // those who came, then those who went
        Owner<User<T>*[]> users_;
        Owner<Info<T>[]> infos_;
        std::size_t count_ = 0, came_ = 0;
    };

    [[nodiscard]] static bool wanted(const Options& options) noexcept {
        return options.presence.count() > 0 || options.rate.per_second > 0;
    }

    /// The room has counted whoever came or went before this hears of it.
    News(const RoomRecord<T>& room, const SeededHash& hash)
        : sampler(room.options.rate, hash),
          room_(room),
          spacing_(room.options.presence),
          most_names_(spacing_.count() > 0 ? room.options.presence_names : 0) {}
    ~News() {
        ROOMCAST_ASSERT(came_.empty() && went_.empty());
        while (auto* spare = spares_.pop_front()) delete spare;
    }

    FairSampler<typename T::user_id> sampler;
    bool changed = false;  ///< the counts, since presence was told

    // Who came and went. What nobody has heard of yet and is undone is not told. O(names).

    /// Takes memory for its coming and its going; there being none, nobody is named.
    void came(User<T>& user, Work<T>& work) noexcept {
        const bool is_back = forget(went_, user, work);
        make_spare();
        if (!is_back) mention(came_, user, {}, work);
    }
    void went(User<T>& user, const Info<T>& info, Work<T>& work) noexcept {
        if (!forget(came_, user, work)) mention(went_, user, info, work);
    }
    void clear(Work<T>& work) noexcept {
        while (auto* mention = came_.front()) forget(came_, *mention, work);
        while (auto* mention = went_.front()) forget(went_, *mention, work);
    }

    // What is due. `look_again` is called whenever something may have changed.

    /// When something will be due; max(): nothing.
    [[nodiscard]] time_point look_again(time_point now) noexcept {
        if (changed && spacing_.count() > 0 && presence_due_ == never)
            presence_due_ = greatest(now + least(spacing_ / 10, delay), not_before_);
        return least(presence_due_, sampled_due_);
    }
    [[nodiscard]] bool waiting() const noexcept { return presence_due_ != never || sampled_due_ != never; }
    /// Whether `look_again` has to be asked.
    [[nodiscard]] bool has_any() const noexcept { return waiting() || (changed && spacing_.count() > 0); }

    /// True when the room is to hear `counts`, or names.
    [[nodiscard]] bool take_presence(time_point now, const Counts& counts) noexcept {
        if (presence_due_ > now) return false;
        presence_due_ = never;
        changed = false;
        const bool named = may_name(counts) && names_ != 0;
        if (counts.connections == 0 || (counts == told_ && !named)) return false;
        not_before_ = later(now, spacing_);
        told_ = counts;
        return true;
    }
    /// The names to tell with these counts: none, where memory has run out.
    [[nodiscard]] Named take_names(const Counts& counts, Work<T>& work) noexcept {
        Named named;
        try {
            if (may_name(counts) && names_ != 0) {
                named.names_ = Owner<PresenceName<T>[]>(new PresenceName<T>[names_]);
                named.users_ = Owner<User<T>*[]>(new User<T>*[names_]);
                named.infos_ = Owner<Info<T>[]>(new Info<T>[names_]);
                const auto& memberships = work.trash.pools.memberships;
                for (auto* m = came_.front(); m; m = came_.next(*m))
                    named.add(*m->user, memberships.leader(*m->user, room_)->info);
                named.came_ = named.count_;
                for (auto* m = went_.front(); m; m = went_.next(*m)) named.add(*m->user, m->info);
            }
        } catch (const std::bad_alloc&) {
        }
        clear(work);
        too_many_ = false;
        while (spare_count_ < room_.user_count && make_spare()) {}
        return named;
    }
    void release(Named& named, Work<T>& work) noexcept {
        for (std::size_t i = 0; i < named.count_; ++i) release(*named.users_[i], work);
    }

    void leave_out(time_point now) noexcept {
        if (sampled_due_ == never) sampled_due_ = now + spacing_of_sampled;
    }
    /// How many were left out; 0: nothing to tell.
    [[nodiscard]] std::uint64_t take_left_out(time_point now) noexcept {
        if (sampled_due_ > now) return 0;
        sampled_due_ = never;
        return sampler.take_left_out();
    }

private:
    using Mentions = List<Mention<T>, NewsTag>;

    static constexpr time_point never = time_point::max();
    /// Lets a burst of joins end before the first word of it.
    static constexpr std::chrono::milliseconds delay{100};
    static constexpr std::chrono::milliseconds spacing_of_sampled{1000};

    [[nodiscard]] bool may_name(const Counts& counts) const noexcept { return !too_many_ && counts.users <= most_names_; }

    /// One for each user who may still go, as many as can be named: a removal needs no memory.
    bool make_spare() noexcept {
        if (names_ + spare_count_ >= 2 * most_names_) return false;
        auto* const made = new (std::nothrow) Mention<T>;
        if (!made) return false;
        spares_.push_back(*made);
        ++spare_count_;
        return true;
    }
    /// With too many names, or no memory for one, nobody is named this time.
    void mention(Mentions& mentions, User<T>& user, Info<T> info, Work<T>& work) noexcept {
        if (too_many_) return;
        if (spare_count_ == 0) {
            too_many_ = true;
            return clear(work);
        }
        auto& mention = *spares_.pop_front();
        --spare_count_;
        ++names_;
        ++user.references;
        mention.user = &user;
        mention.info = std::move(info);
        mentions.push_back(mention);
    }
    /// Answers whether the user was mentioned there. Who comes back may have a new record.
    bool forget(Mentions& mentions, const User<T>& user, Work<T>& work) noexcept {
        for (auto* m = mentions.front(); m; m = mentions.next(*m)) {
            if (m->user->hash != user.hash || !is_id(m->user->id, view_of(user.id))) continue;
            forget(mentions, *m, work);
            return true;
        }
        return false;
    }
    void forget(Mentions& mentions, Mention<T>& mention, Work<T>& work) noexcept {
        Mentions::unlink(mention);
        --names_;
        release(*mention.user, work);
        mention.user = nullptr;
        // What holds an info is freed without the lock.
        if (&mentions == &went_ || spare_count_ >= room_.user_count) return work.trash.add(mention);
        spares_.push_back(mention);
        ++spare_count_;
    }
    static void release(User<T>& user, Work<T>& work) noexcept {
        if (--user.references == 0) work.trash.add(user);
    }

    const RoomRecord<T>& room_;
    const std::chrono::milliseconds spacing_;
    const std::size_t most_names_;
    Counts told_{};
    time_point not_before_ = time_point::min();  // presence is told again
    time_point presence_due_ = never, sampled_due_ = never;
    Mentions came_, went_, spares_;
    std::size_t names_ = 0;  // in the first two
    std::size_t spare_count_ = 0;
    bool too_many_ = false;  // for names, until presence is told
};

}  // namespace roomcast::detail
