// SPDX-License-Identifier: MIT
#pragma once

#include "simulation/scheduler.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"
#include "roomcast/room.hpp"
#include "simulation/witness.hpp"
#include "simulation/words.hpp"

namespace simulation {

using Time = roomcast::testing::ManualClock::time_point;

/// What the registry of a schedule calls. Each function is a hook, must not
/// run under the lock, and may call the registry back.
struct Host {
    Witness& witness;
    std::function<void()> call_back{};
    std::size_t sessions_alive = 0;
    Time due = Time::max();  // when to poll
    bool calm = false;       // no send is refused any more

    void called(const char* what, std::uint64_t detail = ~std::uint64_t{0}) {
        host_code(what, detail);
        if (call_back) call_back();
    }
};

enum class Temper : std::uint8_t { steady, slow, fragile };

class Session {
public:
    const std::size_t id;
    const std::size_t user;
    const Temper temper;
    bool owes_writable = false;
    bool known = false;         // a join of it was accepted
    bool gone = false;          // disconnected

    Session(Host& owner, std::size_t number, std::size_t of_user, Temper t, int encoding)
        : id(number), user(of_user), temper(t), host_(&owner), encoding_(encoding) {
        ++owner.sessions_alive;
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        host_code("free", about(id));
        --host_->sessions_alive;
    }

    roomcast::SendStatus send(const roomcast::Frame& frame) {
        Scheduler& scheduler = Scheduler::current();
        const std::string_view bytes = frame.view();
        const Word word = word_of(bytes);
        host_->witness.send_begins(id, scheduler.thread(), bytes);
        host_->called("send", about(id, word.say == Say::direct ? nowhere : word.room, word.id));
        Random& random = scheduler.random();
        if (!host_->calm) {
            if (temper == Temper::slow && !owes_writable && random.one_in(3)) owes_writable = true;
            if (temper == Temper::fragile && random.one_in(8)) broken_ = true;
        }
        if (broken_) {
            hook("broken", about(id));
            if (random.one_in(2)) throw std::runtime_error("broken");
            return roomcast::SendStatus::closed;
        }
        if (owes_writable) {
            host_->witness.busy(id);
            hook("busy", about(id));
            return roomcast::SendStatus::busy;
        }
        host_->witness.accepted(id, bytes);
        hook("sent", about(id));
        return roomcast::SendStatus::accepted;
    }
    void close(roomcast::CloseCode, std::string_view) {
        host_->witness.closes(id);
        host_->called("close", about(id));
    }
    void terminate() {
        host_->witness.terminates(id);
        gone = true;
        host_->called("terminate", about(id));
    }
    int encoding() const noexcept { return encoding_; }

    static roomcast::Frame encode(const roomcast::Message& message, int encoding);
    static roomcast::Frame join_frames(std::span<const roomcast::Frame> frames) {
        host_code("join_frames");
        std::string bytes;
        for (const auto& frame : frames) bytes += frame.view();
        return roomcast::Frame(bytes);
    }

    static inline Host* host = nullptr;  // of the schedule

private:
    Host* host_;
    const int encoding_;
    bool broken_ = false;
};

inline roomcast::Frame Session::encode(const roomcast::Message& message, int) {
    Word word = word_of(message.payload.view());
    host->called("encode", about(nobody, word.room, word.id));
    if (word.say != Say::message) return message.payload;
    if (!host->witness.encodable(word.id)) throw std::runtime_error("cannot be encoded");
    word.epoch = message.position.epoch;
    word.seq = message.position.seq;
    if (!word.own) host->witness.encoded(word, message.position);
    return word.frame();
}

/// A handle whose hash is the session's number, so that no order depends on
/// addresses.
struct Connection : std::shared_ptr<Session> {
    using std::shared_ptr<Session>::shared_ptr;
    Connection(std::shared_ptr<Session> session) noexcept : std::shared_ptr<Session>(std::move(session)) {}
};

/// What a host keeps for a member, or wants to find again with an answer: its
/// end is code of the host, too.
struct Kept {
    std::uint32_t id = 0;
    Kept(std::uint32_t number = 0) noexcept : id(number) {}
    Kept(Kept&& other) noexcept : id(std::exchange(other.id, 0)) {}
    Kept& operator=(Kept&& other) noexcept {
        std::swap(id, other.id);
        return *this;
    }
    ~Kept() {
        if (id != 0) host_code("forget", about(nobody, nowhere, id));
    }
};

struct Events : roomcast::SilentEvents {
    template <class T>
    std::string joined(const roomcast::JoinedEvent<T>& e) const {
        const std::size_t room = at(e.room);
        std::vector<std::pair<std::uint64_t, std::uint32_t>> entries;
        for (const auto& entry : e.history)
            entries.emplace_back(entry.seq, entry.deleted ? 0 : word_of(entry.payload).id);
        const roomcast::Position* since = nullptr;
        Witness& witness = Session::host->witness;
        const auto asked = e.context ? witness.asked_since(e.context->id) : std::nullopt;
        if (asked) since = &*asked;
        if (e.was_recovering || !e.history.empty()) witness.replayed(room, e.position, since, e.recovered, entries);
        return say(*e.connection, {.say = Say::joined, .room = narrow(room), .id = e.context ? e.context->id : 0,
                                   .epoch = e.position.epoch, .seq = e.position.seq, .life = &e.room});
    }
    template <class T>
    std::string moved(const roomcast::MovedEvent<T>& e) const {
        return say(*e.connection, {.say = Say::moved, .room = narrow(at(e.to)), .other = narrow(at(e.from))});
    }
    template <class T>
    std::string left(const roomcast::LeftEvent<T>& e) const {
        return say(*e.connection, {.say = Say::left, .room = narrow(at(e.room)), .id = e.context.id, .life = &e.room});
    }
    template <class T>
    std::string removed(const roomcast::RemovedEvent<T>& e) const {
        return say(*e.connection, {.say = Say::removed, .room = narrow(at(e.room)), .life = &e.room});
    }
    template <class T>
    std::string force_disconnect(const roomcast::ForceDisconnectEvent<T>& e) const {
        return say(*e.connection, {.say = Say::farewell});
    }
    template <class T>
    std::string gap(const roomcast::GapEvent<T>& e) const {
        return say(*e.connection,
                   {.say = Say::gap, .room = narrow(at(e.room)), .seq = e.from, .last = e.to, .dropped = e.dropped,
                    .life = &e.room});
    }
    template <class T>
    std::string published(const roomcast::PublishedEvent<T>& e) const {
        return say(*e.connection, {.say = Say::published, .room = narrow(at(e.room)), .id = e.context.id,
                                   .epoch = e.position.epoch, .seq = e.position.seq});
    }
    template <class T>
    std::string not_published(const roomcast::CancelledEvent<T>& e) const {
        return say(*e.connection, {.say = Say::not_published, .room = narrow(at(e.room)), .id = e.context.id});
    }
    template <class T>
    std::string not_joined(const roomcast::CancelledEvent<T>& e) const {
        return say(*e.connection, {.say = Say::not_joined, .room = narrow(at(e.room)), .id = e.context.id});
    }
    template <class T>
    std::string presence(const roomcast::PresenceEvent<T>& e) const {
        return say_to_all({.say = Say::presence, .room = narrow(at(e.room))});
    }
    template <class T>
    std::string deleted(const roomcast::DeletedEvent<T>& e) const {
        return say_to_all({.say = Say::deleted, .room = narrow(at(e.room)), .seq = e.seq});
    }
    template <class T>
    std::string reset(const roomcast::ResetEvent<T>& e) const {
        return say_to_all({.say = Say::reset, .room = narrow(at(e.room)), .epoch = e.position.epoch});
    }

private:
    static std::size_t at(RoomName room) { return static_cast<std::size_t>(room); }
    static std::uint8_t narrow(std::size_t room) { return static_cast<std::uint8_t>(room); }
    static std::string say(const Session& session, const Word& word) {
        if (word.id != 0) Session::host->witness.answered(word.id, word.say);
        Session::host->called(name_of(word.say), about(session.id, word.room, word.id));
        return word.text();
    }
    static std::string say_to_all(const Word& word) {
        Session::host->called(name_of(word.say), about(nobody, word.room));
        return word.text();
    }
};

struct Observer {
    template <class Event>
    void on_event(const Event& e) noexcept {
        Witness& witness = Session::host->witness;
        witness.observed_begins();
        Witness::Whereabouts::Told told{.kind = e.kind, .epoch = e.epoch, .room = static_cast<std::size_t>(e.room),
                                        .connection = nobody, .user_changed = e.user_changed};
        if (e.from) told.from = static_cast<std::size_t>(*e.from);
        if (e.user) told.user = static_cast<std::size_t>(*e.user);
        if (e.connection) told.connection = (*e.connection)->id;
        Session::host->called("observe", about(told.connection, told.room));
        witness.observed_ends(told);
    }
};

struct Traits : roomcast::DefaultTraits {
    using user_id = User;
    using room_id = RoomName;
    using member_info = Kept;
    using context = Kept;
    using mutex = Mutex;
    using clock = roomcast::testing::ManualClock;
    using observer = Observer;
    using events = Events;
};

}  // namespace simulation

template <>
struct std::hash<simulation::Connection> {
    std::size_t operator()(const simulation::Connection& c) const noexcept { return c->id; }
};
