// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>

#include "model/world.hpp"

/// Each operation as a call of the registry, and its answer in words.
namespace model {

template <class Ids>
std::string World<Ids>::real(const Operation& op) {
    // Copies: a callback may renew them.
    const FakeConnection c = op.connection == none ? nullptr : sessions_[index(op.connection)];
    const FakeConnection other = op.other == none ? nullptr : sessions_[index(op.other)];
    const auto user = Ids::user(op.user);
    const auto room = Ids::room(op.room);
    Registry& registry = *registry_;
    switch (op.kind) {
        case Kind::renew: {
            sessions_[index(op.connection)] = fresh(op.connection);
            listeners_[index(op.connection)] = {};
            failing_[index(op.connection)] = false;
            const bool known = registry.disconnect(c);
            if (!setting_.reentrant) expect(c.use_count() == 1 || is_held(op.connection), "a disconnected connection's handle is kept");
            return known ? "true" : "false";
        }
        case Kind::disconnect: {
            const bool known = registry.disconnect(c);
            if (!setting_.reentrant && !within_) expect(c.use_count() == 2 || is_held(op.connection), "a disconnected connection's handle is kept");
            return known ? "true" : "false";
        }
        case Kind::stall: c->stall_on(op.n); break;
        case Kind::fail: c->fail_on(op.n); break;
        case Kind::throws: c->throw_on(op.n); break;
        case Kind::resume: c->release(); break;
        case Kind::writable: registry.writable(c); return {};
        case Kind::attach: {
            const auto result = op.user == none ? registry.attach(c) : registry.attach(c, user);
            if (result.status == roomcast::AttachStatus::refused) return "refused, " + std::string(to_string(result.refusal));
            return tests::enum_text(result.status);
        }
        case Kind::join: return real_join(op, c, other);
        case Kind::leave: return tests::enum_text(registry.leave(c, room, op.context));
        case Kind::leave_all: return std::to_string(registry.leave_all(c, op.context));
        case Kind::publish:
        case Kind::broadcast:
        case Kind::broadcast_all:
        case Kind::send_to_user:
        case Kind::send: return real_message(op, c, other);
        case Kind::delete_message: return tests::enum_text(registry.delete_message(room, op.seq, other ? &other : nullptr));
        case Kind::reset: return tests::enum_text(registry.reset(room));
        case Kind::kick_user: return std::to_string(registry.kick_user(user, op.reason).connections);
        case Kind::kick_connection: return std::to_string(registry.kick_connection(c, op.reason).connections);
        case Kind::kick_from: {
            const auto removal = registry.kick_from(room, user, op.reason, other ? &other : nullptr);
            return removal.permitted ? std::to_string(removal.connections) : "not permitted";
        }
        case Kind::close_room: return registry.close_room(room, op.reason) ? "true" : "false";
        case Kind::create_room: return tests::enum_text(registry.create_room(room, op.room_options));
        case Kind::lock_room: return registry.lock_room(room, op.flag) ? "true" : "false";
        case Kind::set_info: return registry.set_info(room, user, op.info) ? "true" : "false";
        case Kind::set_tags: return registry.set_tags(c, room, op.tags) ? "true" : "false";
        case Kind::advance: clock_.advance(op.time); return {};
        case Kind::poll: {
            Time next;
            std::size_t rounds = 0;
            do {
                due_ = Time::max();
                next = registry.poll();
                due_ = std::min(due_, next);
            } while (op.n != 0 && next <= clock_.now() && ++rounds < 1000);
            expect(rounds < 1000, "poll never comes to an end");
            return in_words(next, clock_.now());
        }
    }
    if (op.kind == Kind::stall || op.kind == Kind::resume) failing_[index(op.connection)] = false;
    else failing_[index(op.connection)] = true;
    return {};
}

template <class Ids>
std::string World<Ids>::real_join(const Operation& op, const FakeConnection& c, const FakeConnection& other) {
    const auto user = Ids::user(op.user);
    const auto room = Ids::room(op.room);
    typename Registry::Join join{.room = room, .history = op.n, .tags = op.tags, .may_migrate = op.flag,
                                 .replaces = other ? &other : nullptr, .info = op.info, .update_info = op.update_info,
                                 .context = op.context};
    if (op.user != none) join.user = user;
    if (op.since) {
        const auto position = registry_->position(room);
        join.since = roomcast::Position{(position ? position->epoch : 1) + (op.right_epoch ? 0 : 1'000'000), *op.since};
    }
    const roomcast::JoinResult result = registry_->join(c, join);
    if (!result) return "refused, " + std::string(to_string(result.refusal));
    return tests::enum_text(result.status);
}

template <class Ids>
std::string World<Ids>::real_message(const Operation& op, const FakeConnection& c, const FakeConnection& other) {
    const auto room = Ids::room(op.room);
    const FakeConnection* except = other ? &other : nullptr;
    const typename Registry::Publish publish{.own = op.own, .echo = op.echo, .context = op.context, .require = op.require,
                                             .exclude = op.exclude, .numbered = op.flag,
                                             .message_class = op.message_class, .key = op.key};
    const typename Registry::Broadcast broadcast{.except = except, .require = op.require, .exclude = op.exclude,
                                                 .numbered = op.flag, .message_class = op.message_class,
                                                 .key = op.key};
    const auto in_words = [](const roomcast::PublishResult& result) {
        return result == roomcast::Delivery::rate_limited ? limited_text(result.retry_after)
                                                          : tests::enum_text(result.delivery);
    };
    if (op.by_handle) {
        auto& handle = handles_.try_emplace(op.room, registry_->room(room)).first->second;
        if (op.kind == Kind::publish) return in_words(handle.publish(c, op.payload, publish));
        if (op.kind == Kind::broadcast) return tests::enum_text(handle.broadcast(op.payload, broadcast));
    }
    switch (op.kind) {
        case Kind::publish: return in_words(registry_->publish(c, room, op.payload, publish));
        case Kind::broadcast: return tests::enum_text(registry_->broadcast(room, op.payload, broadcast));
        case Kind::broadcast_all: return std::to_string(registry_->broadcast_all(op.payload, broadcast));
        case Kind::send_to_user: return std::to_string(registry_->send_to_user(Ids::user(op.user), op.payload, op.message_class));
        default: break;
    }
    return registry_->send(c, op.payload, op.message_class) ? "true" : "false";
}

}  // namespace model
