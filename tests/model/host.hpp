// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "model/words.hpp"
#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"
#include "roomcast/testing/checked_mutex.hpp"
#include "roomcast/testing/fake_connection.hpp"
#include "roomcast/testing/manual_clock.hpp"

namespace model {

using roomcast::testing::FakeConnection;
using roomcast::testing::FakeSession;

/// A member's info, whose destructor must not run under the lock either.
struct Info {
    int value = 0;
    Info(int v = 0) : value(v) {}
    Info(const Info&) = default;
    Info& operator=(const Info&) = default;
    ~Info() { roomcast::testing::assert_unlocked("the destructor of a member's info"); }
    operator int() const { return value; }
};

/// What the registry of a World calls.
struct Host {
    virtual void observed(const EventText& event) = 0;
    virtual void called_back() = 0;

protected:
    ~Host() = default;
};

struct HostObserver {
    Host* host = nullptr;
    template <class Event>
    void on_event(const Event& e) noexcept {
        roomcast::testing::assert_unlocked("an observer");
        EventText text{.kind = e.kind, .room = room_name(e.room), .epoch = e.epoch, .cause = e.cause, .code = e.code,
                       .moved = e.moved, .user_changed = e.user_changed};
        if (e.from) text.from = room_name(*e.from);
        if (e.user) text.user = user_name(*e.user);
        if (e.connection) text.connection = (*e.connection)->name();
        host->observed(text);
        host->called_back();
    }
};

/// Control events in the words of PlainEvents, from code that calls back.
struct HostEvents : PlainEvents {
    Host* host = nullptr;
    template <class Event>
    std::string joined(const Event& e) const { return after(PlainEvents::joined(e)); }
    template <class Event>
    std::string moved(const Event& e) const { return after(PlainEvents::moved(e)); }
    template <class Event>
    std::string left(const Event& e) const { return after(PlainEvents::left(e)); }
    template <class Event>
    std::string removed(const Event& e) const { return after(PlainEvents::removed(e)); }
    template <class Event>
    std::string force_disconnect(const Event& e) const { return after(PlainEvents::force_disconnect(e)); }
    template <class Event>
    std::string gap(const Event& e) const { return after(PlainEvents::gap(e)); }
    template <class Event>
    std::string published(const Event& e) const { return after(PlainEvents::published(e)); }
    template <class Event>
    std::string not_published(const Event& e) const { return after(PlainEvents::not_published(e)); }
    template <class Event>
    std::string not_joined(const Event& e) const { return after(PlainEvents::not_joined(e)); }
    template <class Event>
    std::string presence(const Event& e) const { return after(PlainEvents::presence(e)); }
    template <class Event>
    std::string deleted(const Event& e) const { return after(PlainEvents::deleted(e)); }
    template <class Event>
    std::string reset(const Event& e) const { return after(PlainEvents::reset(e)); }
    template <class Event>
    std::string sampled(const Event& e) const { return after(PlainEvents::sampled(e)); }

private:
    std::string after(std::string text) const {
        roomcast::testing::assert_unlocked("the encoder of control events");
        host->called_back();
        return text;
    }
};

struct StringIds {
    using id = std::string;
    static id user(int i) { return user_name(i); }
    static id room(int i) { return room_name(i); }
};
struct NumberIds {
    using id = std::uint64_t;
    static id user(int i) { return static_cast<id>(i); }
    static id room(int i) { return static_cast<id>(i); }
};

template <class Ids>
struct WorldTraits : roomcast::DefaultTraits {
    using user_id = typename Ids::id;
    using room_id = typename Ids::id;
    using member_info = Info;
    using context = int;
    using mutex = roomcast::testing::CheckedMutex;
    using clock = Clock;
    using observer = HostObserver;
    using events = HostEvents;
};

}  // namespace model
