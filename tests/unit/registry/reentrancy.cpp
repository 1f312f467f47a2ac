// SPDX-License-Identifier: MIT
#include <array>
#include <functional>
#include <map>
#include <span>

#include "unit/registry/world.hpp"

namespace {
using namespace unit;

/// Every callback comes here; some are static, so one host at a time hears them.
void called_back(const char* callback);

/// Tells when the registry frees what it kept.
struct ToldWhenFreed {
    const char* const what;
    explicit ToldWhenFreed(const char* text) : what(text) {}
    ~ToldWhenFreed() { called_back(what); }
};

struct CallingSession {
    bool busy = false;
    ~CallingSession() { called_back("connection"); }
    SendStatus send(const Frame&) {
        called_back("send");
        return busy ? SendStatus::busy : SendStatus::accepted;
    }
    void close(CloseCode, std::string_view) { called_back("close"); }
    void terminate() { called_back("terminate"); }
    static Frame encode(const Message& message, int) {
        called_back("encode");
        if (message.payload.view() == "unencodable") throw std::runtime_error("told to throw");
        return message.payload;
    }
    static Frame join_frames(std::span<const Frame> frames) {
        called_back("join_frames");
        return frames.front();
    }
    int encoding() const {
        called_back("encoding");
        return 0;
    }
};

struct CallingEvents {
    static std::string say(const char* event) {
        called_back(event);
        return event;
    }
    std::string joined(const auto&) const { return say("joined"); }
    std::string moved(const auto&) const { return say("moved"); }
    std::string left(const auto&) const { return say("left"); }
    std::string removed(const auto&) const { return say("removed"); }
    std::string force_disconnect(const auto&) const { return say("force_disconnect"); }
    std::string gap(const auto&) const { return say("gap"); }
    std::string published(const auto&) const { return say("published"); }
    std::string not_published(const auto&) const { return say("not_published"); }
    std::string not_joined(const auto&) const { return say("not_joined"); }
    std::string presence(const auto&) const { return say("presence"); }
    std::string deleted(const auto&) const { return say("deleted"); }
    std::string reset(const auto&) const { return say("reset"); }
    std::string sampled(const auto&) const { return say("sampled"); }
};

struct CallingObserver {
    void on_event(const auto&) noexcept { called_back("observer"); }
};

struct CallingTraits : DefaultTraits {
    using member_info = std::shared_ptr<ToldWhenFreed>;
    using context = std::shared_ptr<ToldWhenFreed>;
    using mutex = CheckedMutex;
    using clock = ManualClock;
    using observer = CallingObserver;
    using events = CallingEvents;
};

constexpr std::array callbacks{
    "send",     "close",      "terminate", "encode",  "join_frames",      "encoding",
    "info",     "context",    "wake",      "observer", "connection",       "published",
    "joined",   "moved",      "left",      "removed", "force_disconnect", "not_published",
    "presence", "not_joined", "deleted",   "reset",   "sampled",          "gap"};

/// A host that makes every public call from every callback, and from one of
/// them also shuts the registry down.
struct CallingHost {
    using Session = std::shared_ptr<CallingSession>;
    using Rooms = RoomRegistry<Session, CallingTraits>;

    explicit CallingHost(std::string last = {}) : shuts_down_in(std::move(last)) { current = this; }
    ~CallingHost() { current = nullptr; }
    CallingHost(const CallingHost&) = delete;
    CallingHost& operator=(const CallingHost&) = delete;

    void called(const std::string& callback) {
        const auto nth = ++calls[callback];
        if (callback == shuts_down_in) rooms.shutdown({CloseCode::restarting});
        if (const auto act = std::exchange(within, nullptr)) act();
        if (depth == 2 || nth > 5) return;
        ++depth;
        call_everything();
        --depth;
    }
    static std::shared_ptr<ToldWhenFreed> freed(const char* what) { return std::make_shared<ToldWhenFreed>(what); }
    JoinResult join(const Session& c, std::string_view user, std::string_view room) {
        return rooms.join(c, {.user = user, .room = room, .info = freed("info"), .context = freed("context")});
    }

    /// Whoever is in "r" stays there.
    void call_everything() {
        const auto guest = std::make_shared<CallingSession>(), other = std::make_shared<CallingSession>();
        rooms.attach(guest);
        rooms.attach(other, "other");
        rooms.create_room("side", {.keep_empty = true});
        static_cast<void>(join(guest, "guest", "r"));
        rooms.publish(guest, "r", "x", {.context = freed("context")});
        rooms.broadcast("r", "x");
        rooms.delete_message("r", 1);
        rooms.broadcast_all("x");
        rooms.send(guest, "x");
        rooms.send_to_user("guest", "x");
        rooms.writable(guest);
        rooms.set_tags(guest, "r", 1);
        rooms.set_info("r", "guest", freed("info"));
        rooms.lock_room("side", false);
        ask();
        static_cast<void>(join(guest, "guest", "side"));
        static_cast<void>(join(other, "other", "side"));
        rooms.reset("side");
        rooms.leave(guest, "side", freed("context"));
        {
            auto side = rooms.room("side");
            static_cast<void>(side.join(guest, {.user = "guest"}));
            side.publish(guest, "x");
            side.broadcast("x");
            side.leave(guest);
            static_cast<void>(side.is_member(guest));
            static_cast<void>(side.count());
            static_cast<void>(side.position());
        }
        static_cast<void>(join(guest, "guest", "side"));
        rooms.leave_all(guest, freed("context"));
        static_cast<void>(join(guest, "guest", "r"));
        rooms.kick_from("r", "guest", {});
        rooms.close_room("side");
        rooms.kick_user("guest", {});
        rooms.kick_connection(other, {});
        rooms.disconnect(guest);
        rooms.disconnect(other);
        rooms.poll();
    }
    void ask() {
        const Session nobody;
        static_cast<void>(rooms.room_of("guest"));
        static_cast<void>(rooms.rooms_of_user("guest"));
        static_cast<void>(rooms.rooms_of(nobody));
        static_cast<void>(rooms.user_of(nobody));
        static_cast<void>(rooms.is_member(nobody, "r"));
        static_cast<void>(rooms.has_member("r", "guest"));
        static_cast<void>(rooms.count("r"));
        static_cast<void>(rooms.count());
        static_cast<void>(rooms.room_count());
        static_cast<void>(rooms.creator("r"));
        static_cast<void>(rooms.members("r"));
        static_cast<void>(rooms.top_rooms(3));
        static_cast<void>(rooms.info("r", "guest"));
        static_cast<void>(rooms.position("r"));
        static_cast<void>(rooms.statistics());
    }

    void pass(std::chrono::milliseconds time) {
        clock.advance(time);
        rooms.poll();
    }
    void broadcast(int messages) {
        for (int i = 0; i < messages; ++i) rooms.broadcast("r", "x");
        pass(10ms);
    }
    /// Something of everything that can be told. Whoever came here is then
    /// disconnected, unless a shutdown sees to it.
    void live() {
        std::vector<std::weak_ptr<CallingSession>> sessions;
        {
            const auto phone = std::make_shared<CallingSession>(), tab = std::make_shared<CallingSession>();
            const auto bob = std::make_shared<CallingSession>();
            sessions = {phone, tab, bob};
            static_cast<void>(join(phone, "ann", "r"));
            static_cast<void>(join(tab, "ann", "r"));
            static_cast<void>(join(bob, "bob", "r"));
            broadcast(4);
            bob->busy = true;
            broadcast(6);
            bob->busy = false;
            rooms.writable(bob);
            pass(1s);
            rooms.publish(bob, "r", "unencodable", {.context = freed("context")});
            for (int i = 0; i < 5; ++i) rooms.publish(bob, "r", "x", {.context = freed("context")});
            pass(1s);
            rooms.delete_message("r", 1);
            // Two joins before the first is told; the tab follows.
            within = [&] {
                static_cast<void>(join(phone, "ann", "t"));
                static_cast<void>(join(phone, "ann", "s"));
            };
            broadcast(1);
            within = nullptr;  // after a shutdown nobody heard it
            rooms.leave(phone, "s", freed("context"));
            rooms.kick_from("s", "ann", {});
            rooms.reset("r");
            rooms.kick_user("bob", {});
            pass(0ms);
            rooms.close_room("r");
            if (shuts_down_in.empty()) {
                rooms.disconnect(phone);
                rooms.disconnect(tab);
            }
        }
        for (int i = 0; i < 10; ++i) pass(1s);
        CHECK(depth == 0);
        CHECK(rooms.count() == Counts{});
        CHECK(rooms.statistics().closing == 0);
        for (const auto& session : sessions) CHECK(session.expired());
    }

    static inline CallingHost* current = nullptr;
    const std::string shuts_down_in;
    std::function<void()> within{};  // what the next callback does besides
    int depth = 0;
    std::map<std::string, std::size_t> calls;
    ManualClock clock;
    Rooms rooms{{.others = OtherDevices::follow,
                 .last_room = LastRoom::keep,
                 .room = {.history = 3, .batch_window = 10ms, .rate = {2, 2}, .presence = 1ms},
                 .grace = 0ms,
                 .close_timeout = 0ms,
                 .outbox_messages = 2,
                 .wake = [](auto) { called_back("wake"); }},
                {.clock = clock}};
};

void called_back(const char* callback) {
    assert_unlocked(callback);
    if (CallingHost::current) CallingHost::current->called(callback);
}
}  // namespace

TEST_CASE("every callback runs without the lock and may call everything", "[invariant-7]") {
    CallingHost host;
    host.live();
    for (const std::string callback : callbacks) {
        CAPTURE(callback);
        CHECK(host.calls[callback] > 0);
    }
    CHECK(host.calls.size() == callbacks.size());
}

TEST_CASE("every callback may shut the registry down", "[invariant-7]") {
    for (const std::string callback : callbacks) {
        CAPTURE(callback);
        CallingHost host(callback);
        host.live();
        CHECK(host.calls[callback] > 0);
        CHECK(host.join(std::make_shared<CallingSession>(), "late", "r").refusal == Refusal::shutting_down);
    }
}

TEST_CASE("the last handle of a connection is released without the lock, and may call back", "[invariant-7]") {
    World w;
    int destroyed = 0;
    const auto make = [&](const std::string& name) {
        auto c = make_fake(name);
        c->on_destroyed = [&] {
            ++destroyed;
            CHECK_FALSE(CheckedMutex::locked_by_this_thread());
            w.rooms.broadcast("r", "one has gone");
            static_cast<void>(w.rooms.count());
        };
        return c;
    };
    const auto witness = w.member("witness", "r");
    FakeSession* raw = nullptr;
    {
        auto c = make("ann");
        raw = c.get();
        REQUIRE(w.join(c, "r"));
    }
    // The registry holds the only handle; its own transport says goodbye from within a send.
    raw->on_send = [&](std::string_view) {
        const auto members = w.rooms.members("r").members;
        for (const auto& m : members)
            if (m.user == "ann") w.rooms.disconnect(m.connections.front());
    };
    w.rooms.broadcast("r", "x");
    CHECK(destroyed == 1);
    CHECK(witness->frames() == Texts{"x", "one has gone"});

    { REQUIRE(w.join(make("bob"), "r")); }
    w.rooms.kick_user("bob", {});
    w.after(3s);
    CHECK(destroyed == 1);
    w.after(5s);
    CHECK(destroyed == 2);

    // Refused: the handle goes with the call.
    w.rooms.lock_room("r", true);
    CHECK_FALSE(w.join(make("cat"), "r"));
    CHECK(destroyed == 3);
}

TEST_CASE("infos and contexts are released without the lock, whatever ends them", "[invariant-7]") {
    World w{{.room = {.max_users = 2, .history = 2}, .max_queued = 1}};
    const auto ann = make_fake("ann"), bob = make_fake("bob");
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("a"), .context = Ticket("1")}));
    REQUIRE(w.rooms.join(ann, {.user = "ann", .room = "r", .info = Info("unused"), .context = Ticket("2")}));
    REQUIRE(w.rooms.join(bob, {.user = "bob", .room = "r", .info = Info("b"), .context = Ticket("3")}));
    CHECK_FALSE(w.rooms.join(make_fake("cat"), {.user = "cat", .room = "r", .info = Info("c"), .context = Ticket("4")}));
    w.rooms.set_info("r", "ann", Info("new"));
    for (int i = 0; i < 5; ++i) w.rooms.publish(ann, "r", "x", {.context = Ticket("5")});
    w.rooms.publish(ann, "r", FakeSession::unencodable, {.context = Ticket("6")});
    ann->on_send = [&](std::string_view frame) {
        if (frame != "y") return;
        w.rooms.publish(ann, "r", "z", {.context = Ticket("7")});
        CHECK(w.rooms.publish(ann, "r", "over", {.context = Ticket("8")}) == Delivery::overloaded);
    };
    w.rooms.publish(ann, "r", "y", {.context = Ticket("9")});
    CHECK(w.rooms.publish(make_fake(), "r", "z", {.context = Ticket("10")}) == Delivery::not_in_room);
    w.rooms.leave(ann, "r", Ticket("11"));
    w.rooms.leave(ann, "none", Ticket("12"));
    w.rooms.close_room("r");
    CHECK(w.rooms.count("r") == std::nullopt);
}

TEST_CASE("destroying a registry with everything still inside releases all, in silence") {
    std::vector<std::weak_ptr<FakeSession>> sessions;
    std::size_t destroyed = 0;
    {
        auto w = std::make_unique<World>(Options{.room = {.history = 5, .linger = 1h}, .turn_sends = 10});
        const auto hold = [&](const FakeConnection& c) {
            sessions.push_back(c);
            c->on_send = [](std::string_view) { FAIL("sent from the destructor"); };
            c->on_close = [](CloseCode) { FAIL("closed from the destructor"); };
            c->on_terminate = [] { FAIL("terminated from the destructor"); };
            c->on_destroyed = [&] { ++destroyed; };
        };
        std::vector<FakeConnection> members;
        for (int i = 0; i < 50; ++i) members.push_back(w->member("u" + std::to_string(i), "r"));
        const auto busy = w->member("busy", "busy"), gone = w->member("gone", "lingers"), kicked = w->member("kicked", "r");
        const auto known = make_fake("known");
        REQUIRE(w->rooms.attach(known));
        busy->stall();
        w->rooms.broadcast("busy", "waits");
        w->rooms.broadcast("lingers", "remembered");
        w->rooms.disconnect(gone);
        w->rooms.kick_user("kicked", {});
        w->rooms.broadcast("r", "stays under way");
        w->rooms.broadcast("r", "stays queued", {.except = &members[3]});
        REQUIRE(w->rooms.join(make_fake("late"), {.user = "late", .room = "r"}));
        w->rooms.leave(members[40], "r");
        w->rooms.close_room("busy");
        for (const auto& c : members) hold(c);
        hold(busy);
        hold(kicked);
        hold(known);
        members.clear();
    }
    CHECK(destroyed == sessions.size());
    for (const auto& session : sessions) CHECK(session.expired());
}

TEST_CASE("handles that go with their registry may still call it") {
    auto w = std::make_unique<World>();
    int calls = 0;
    {
        const auto ann = w->member("ann", "r");
        ann->on_destroyed = [&, rooms = &w->rooms] {
            ++calls;
            CHECK(rooms->broadcast("r", "x") == Delivery::no_room);
            CHECK(rooms->join(make_fake("bob"), {.user = "bob", .room = "r"}).refusal == Refusal::shutting_down);
            CHECK(rooms->count() == Counts{0, 0});
        };
    }
    w.reset();
    CHECK(calls == 1);
}

TEST_CASE("two registries may call each other from their callbacks", "[invariant-7]") {
    World one, two;
    const auto ann = one.member("ann", "r"), bob = two.member("bob", "r");
    int left = 20;
    ann->on_send = [&](std::string_view) {
        if (left-- > 0) two.rooms.broadcast("r", "to two");
    };
    bob->on_send = [&](std::string_view) {
        if (left-- > 0) one.rooms.broadcast("r", "to one");
    };
    one.rooms.broadcast("r", "first");
    CHECK(left <= 0);
    CHECK(ann->frames().size() + bob->frames().size() == 21);
}
