// SPDX-License-Identifier: MIT
#include "model/generator.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "support/catch.hpp"

namespace model {

using roomcast::CloseCode;
using roomcast::Membership;
using roomcast::testing::FakeSession;

namespace {

/// Whether several rooms may end at once: see Generator::draw.
bool ends_rooms(const Setting& setting) {
    return setting.healthy || setting.options.membership != Membership::many_rooms;
}

/// What a room has of its own beside its bounds.
void draw_room_rules(RoomOptions& room, Random& random) {
    const auto often_none = [&](std::size_t from, std::size_t count) {
        return random.one_in(2) ? 0 : from + random.below(count);
    };
    room.history_age = milliseconds(random.one_in(3) ? 20 + random.below(150) : 0);
    room.slow_readers = static_cast<roomcast::SlowReaders>(random.one_in(2) ? 0 : random.below(3));
    room.batch_window = milliseconds(often_none(3, 40));
    room.presence = milliseconds(often_none(1, 150));
    room.presence_names = often_none(1, 5);
}

/// Off, or one of which a token takes whole milliseconds.
roomcast::Rate draw_rate(Random& random) {
    if (!random.one_in(3)) return {};
    static constexpr std::array per_second{8.0, 10.0, 20.0, 40.0, 50.0, 100.0};
    return {per_second[random.below(per_second.size())], static_cast<double>(1 + random.below(5))};
}

}  // namespace

Setting random_setting(Membership membership, bool reentrant, Random& random) {
    Setting setting;
    setting.reentrant = reentrant;
    setting.short_turns = random.one_in(3);
    // A parked room may drop what waits of it before another one sends, or
    // after: so either short turns or busy connections.
    setting.healthy = (setting.short_turns && !reentrant) || random.one_in(8);
    setting.encodings.resize(4 + random.below(14));
    for (int& encoding : setting.encodings) encoding = random.index(2);
    setting.users = 1 + random.below(8);
    setting.rooms = 2 + random.below(5);

    Options& options = setting.options;
    const auto often_none = [&](std::size_t from, std::size_t count) {
        return random.one_in(2) ? 0 : from + random.below(count);
    };
    options.membership = membership;
    options.others = random.one_in(2) ? roomcast::OtherDevices::evict : roomcast::OtherDevices::follow;
    options.last_room = static_cast<roomcast::LastRoom>(random.below(3));
    options.max_devices = often_none(1, 3);
    options.devices = random.one_in(2) ? roomcast::DeviceLimit::newest_wins : roomcast::DeviceLimit::refuse;
    options.max_rooms_per_connection = often_none(1, 3);
    // Members of a closed room count until it is taken apart.
    options.max_connections = reentrant ? 0 : often_none(3, 8);
    options.room.max_users = often_none(1, 4);
    options.room.history = often_none(1, 6);
    options.room.history_bytes = random.one_in(2) ? 40 : 0;
    options.room.keep_empty = random.one_in(reentrant ? 2 : 8);
    options.grace = milliseconds(random.one_in(4) ? 0 : 30);
    options.close_timeout = milliseconds(random.one_in(4) ? 0 : 50);
    options.turn_sends = setting.short_turns ? 1 + random.below(5) : random.one_in(2) ? 0 : 4096;
    options.join_history_bytes = random.one_in(3) ? 25 : 1024;
    draw_room_rules(options.room, random);
    options.batch_messages = random.one_in(2) ? 2 + random.below(5) : 256;
    options.batch_bytes = random.one_in(3) ? 10 + random.below(40) : 64 * 1024;
    if (reentrant) {
        // Nobody is too slow: the reference does not know what waits.
        options.room.slow_readers = roomcast::SlowReaders::drop_oldest;
        options.outbox_age = milliseconds(0);
        options.outbox_control_messages = 1'000'000;
        options.outbox_control_bytes = 1'000'000'000;
        return setting;
    }
    setting.bursts = !setting.short_turns && random.one_in(2);
    options.max_queued = setting.bursts && random.one_in(4) ? 1 + random.below(4) : 64;
    options.max_rooms = often_none(2, 3);
    options.room.linger = milliseconds(often_none(10, 100));
    options.room.idle = milliseconds(random.one_in(4) && ends_rooms(setting) ? 20 + random.below(200) : 0);
    options.outbox_messages = 1 + random.below(8);
    options.outbox_bytes = random.one_in(2) ? 60 : 1024;
    options.outbox_control_messages = 2 + random.below(12);
    options.outbox_control_bytes = random.one_in(3) ? 200 : 64 * 1024;
    options.outbox_age = milliseconds(often_none(20, 200));
    options.user_rate = draw_rate(random);
    options.connection_rate = draw_rate(random);
    return setting;
}

std::string describe(const Setting& setting) {
    std::ostringstream out;
    const Options& o = setting.options;
    out << tests::enum_text(o.membership) << ", others " << tests::enum_text(o.others) << ", last room "
        << tests::enum_text(o.last_room) << ", connections " << setting.encodings.size() << " (at most "
        << o.max_connections << "), users " << setting.users << ", rooms " << setting.rooms << " (at most " << o.max_rooms
        << ", " << o.max_rooms_per_connection << " a connection), devices " << o.max_devices << ' '
        << tests::enum_text(o.devices) << ", room: users " << o.room.max_users << ", history " << o.room.history << " in "
        << o.room.history_bytes << ", linger " << o.room.linger.count() << ", idle " << o.room.idle.count() << ", keep "
        << o.room.keep_empty << "; grace " << o.grace.count() << ", close timeout " << o.close_timeout.count()
        << ", turn " << o.turn_sends << ", outbox " << o.outbox_messages << " in " << o.outbox_bytes << ", control "
        << o.outbox_control_messages << " in " << o.outbox_control_bytes << ", age " << o.outbox_age.count()
        << ", join history " << o.join_history_bytes << ", batch " << o.batch_messages << " in " << o.batch_bytes
        << ", queue " << o.max_queued << ", user rate " << o.user_rate.per_second << '/' << o.user_rate.burst
        << ", connection rate " << o.connection_rate.per_second << '/' << o.connection_rate.burst << "; rooms: "
        << describe(o.room) << (setting.bursts ? ", bursts" : "")
        << (setting.healthy ? ", healthy" : "") << (setting.reentrant ? ", reentrant" : "");
    return out.str();
}

Kind Generator::draw_kind() {
    struct Weight {
        Kind kind;
        std::size_t weight;
    };
    static constexpr std::array weights{
        Weight{Kind::renew, 6},        Weight{Kind::stall, 5},           Weight{Kind::fail, 2},
        Weight{Kind::throws, 1},       Weight{Kind::resume, 4},          Weight{Kind::writable, 7},
        Weight{Kind::attach, 3},       Weight{Kind::join, 30},           Weight{Kind::leave, 5},
        Weight{Kind::leave_all, 2},    Weight{Kind::disconnect, 2},      Weight{Kind::publish, 12},
        Weight{Kind::broadcast, 12},   Weight{Kind::broadcast_all, 2},   Weight{Kind::send_to_user, 3},
        Weight{Kind::send, 3},         Weight{Kind::delete_message, 3},  Weight{Kind::reset, 1},
        Weight{Kind::kick_user, 1},       Weight{Kind::kick_connection, 2},
        Weight{Kind::kick_from, 3},    Weight{Kind::close_room, 1},      Weight{Kind::create_room, 3},
        Weight{Kind::lock_room, 2},    Weight{Kind::set_info, 2},        Weight{Kind::set_tags, 3},
        Weight{Kind::advance, 4},      Weight{Kind::poll, 6},
    };
    static_assert(weights.size() == kind_names.size());
    std::size_t sum = 0;
    for (const Weight& w : weights) sum += w.weight;
    std::size_t at = random_.below(sum);
    for (const Weight& w : weights) {
        if (at < w.weight) return w.kind;
        at -= w.weight;
    }
    return Kind::poll;
}

Operation Generator::next(const Reference& reference, Time now, std::size_t counter) {
    for (;;) {
        Operation op = draw(reference, now);
        const std::string number = std::to_string(counter) + std::string(random_.one_in(8) ? random_.below(30) : 0, '.');
        switch (op.kind) {
            case Kind::publish:
            case Kind::broadcast: op.payload = "m" + std::to_string(op.room) + '.' + number; break;
            case Kind::broadcast_all: op.payload = "a." + number; break;
            case Kind::send_to_user:
            case Kind::send: op.payload = "d" + number; break;
            default: return op;
        }
        if (op.kind == Kind::publish && random_.one_in(3)) op.own = "m" + std::to_string(op.room) + ".own" + number;
        if (op.kind == Kind::publish) op.echo = !random_.one_in(6);
        draw_worth(op);
        if (random_.one_in(25)) op.payload = FakeSession::unencodable;
        return op;
    }
}

void Generator::draw_worth(Operation& op) {
    const bool direct = op.kind == Kind::send_to_user || op.kind == Kind::send;
    if (direct || random_.one_in(3)) op.message_class = static_cast<roomcast::MessageClass>(random_.below(roomcast::message_classes));
    if (direct) return;
    if (op.message_class == roomcast::MessageClass::control && op.flag) op.message_class = roomcast::MessageClass::paid;
    if (random_.one_in(4)) op.key = 1 + random_.below(3);
}

Operation Generator::draw(const Reference& reference, Time now) {
    Operation op{.kind = draw_kind()};
    const auto connection = [&] { return random_.index(setting_.encodings.size()); };
    op.connection = connection();
    const auto& chosen = reference.connection(op.connection);
    // When a removed connection is gone can depend on who works for it.
    const bool ended = chosen.gone || (setting_.reentrant && chosen.step != Reference::Step::open);
    if (ended && (op.kind == Kind::join || op.kind == Kind::attach)) op.kind = Kind::renew;
    if (setting_.healthy && (op.kind == Kind::stall || op.kind == Kind::fail || op.kind == Kind::throws)) op.kind = Kind::poll;
    // What a connection in trouble gets from several rooms depends on their
    // order, of which nothing is promised.
    const auto ordered = [&](int c) { return reference.connection(c).places.size() < 2 || reference.is_well(c); };
    if (op.kind == Kind::leave_all && !ordered(op.connection)) op.kind = Kind::leave;
    if (op.kind == Kind::broadcast_all)
        for (int c = 0; c < static_cast<int>(setting_.encodings.size()); ++c)
            if (!ordered(c)) op.kind = Kind::broadcast;
    // Whether an empty room is still there can depend on who works in it.
    if (setting_.reentrant && !setting_.options.room.keep_empty && (op.kind == Kind::lock_room || op.kind == Kind::create_room))
        op.kind = Kind::set_info;
    op.user = random_.index(setting_.users);
    op.room = random_.index(setting_.rooms);
    op.context = random_.one_in(2) ? 0 : 1 + random_.index(9);
    switch (op.kind) {
        case Kind::stall:
        case Kind::fail:
        // In a reentrant world the next one, so that all know when.
        case Kind::throws: op.n = setting_.reentrant ? 1 : 1 + random_.below(4); break;
        case Kind::attach:
            if (random_.one_in(3)) op.user = none;
            break;
        case Kind::join: draw_join(op, reference); break;
        case Kind::publish:
        case Kind::leave:
        case Kind::set_tags: {
            op.tags = random_.below(8);
            const auto& places = reference.connection(op.connection).places;
            if (!places.empty() && !random_.one_in(4)) op.room = places[random_.below(places.size())].room;
            break;
        }
        case Kind::kick_from: {
            op.other = random_.one_in(2) ? none : connection();
            const auto rooms = reference.rooms_of_user(op.user);
            if (!rooms.empty() && !random_.one_in(4)) op.room = rooms[random_.below(rooms.size())];
            break;
        }
        case Kind::delete_message:
            if (random_.one_in(3)) op.other = connection();
            if (const auto& room = reference.room(op.room)) op.seq = room->seq + 1 - std::min<std::uint64_t>(room->seq + 1, random_.below(7));
            break;
        case Kind::lock_room: op.flag = random_.one_in(2); break;
        case Kind::set_info: op.info = 1 + random_.index(99); break;
        case Kind::create_room: draw_room(op, now); break;
        case Kind::advance: op.time = milliseconds(random_.below(40)); break;
        default: break;
    }
    if (op.kind == Kind::broadcast || op.kind == Kind::broadcast_all || op.kind == Kind::publish) {
        if (op.kind != Kind::publish && random_.one_in(3)) op.other = connection();
        if (random_.one_in(4)) op.require = random_.below(4);
        if (random_.one_in(4)) op.exclude = random_.below(4);
        op.flag = !random_.one_in(5);
        op.by_handle = random_.one_in(2);
    }
    draw_reason(op);
    return op;
}

void Generator::draw_join(Operation& op, const Reference& reference) {
    const auto& c = reference.connection(op.connection);
    if (c.user != none && !random_.one_in(6)) op.user = random_.one_in(2) ? none : c.user;
    else if (c.user == none && random_.one_in(12)) op.user = none;
    op.n = random_.below(6);
    if (const auto& room = reference.room(op.room); random_.one_in(4)) {
        const std::uint64_t last = room ? room->seq : 0;
        op.since = random_.one_in(8) ? last + random_.below(3) : last - std::min<std::uint64_t>(last, random_.below(8));
        op.right_epoch = room.has_value() && !random_.one_in(4);
    }
    // Whether a busy follower hears of its new room before or after what
    // waits of the old one is dropped is nobody's business.
    const int user = c.user != none ? c.user : op.user;
    if (setting_.options.others == roomcast::OtherDevices::follow && c.places.empty() && user != none)
        for (const int device : reference.devices(user))
            if (!reference.is_well(device)) op.kind = Kind::poll;
    op.tags = random_.below(8);
    op.flag = !random_.one_in(10);
    if (random_.one_in(5)) {
        const auto devices = user == none ? std::vector<int>() : reference.devices(user);
        op.other = devices.empty() || random_.one_in(4) ? random_.index(setting_.encodings.size())
                                                        : devices[random_.below(devices.size())];
    }
    op.info = 1 + random_.index(99);
    op.update_info = random_.one_in(3);
}

void Generator::draw_room(Operation& op, Time now) {
    RoomOptions& room = op.room_options;
    room = setting_.options.room;
    if (setting_.reentrant) return;
    room.max_users = random_.below(4);
    room.history = random_.below(6);
    room.linger = milliseconds(random_.one_in(2) ? 0 : random_.below(80));
    room.keep_empty = random_.one_in(2);
    room.locked = random_.one_in(8);
    draw_room_rules(room, random_);
    if (!ends_rooms(setting_)) return;
    if (random_.one_in(4)) room.idle = milliseconds(10 + random_.below(60));
    if (random_.one_in(4)) room.ends_at = now + milliseconds(random_.below(100));
}

void Generator::draw_reason(Operation& op) {
    switch (op.kind) {
        case Kind::kick_user:
        case Kind::kick_connection:
        case Kind::kick_from: op.reason = {random_.one_in(4) ? CloseCode::normal : CloseCode::removed_from_room, "kicked"}; break;
        case Kind::close_room: op.reason = {CloseCode::room_closed, "over"}; break;
        default: break;
    }
}

}  // namespace model
