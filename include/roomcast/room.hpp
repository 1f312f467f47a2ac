// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>

#include "roomcast/registry.hpp"

namespace roomcast {

/// One room by name, for hot paths: it remembers where the room is, so that
/// `publish` and `broadcast` pay no look-up of it, and most broadcasts to few
/// not even the registry's lock. It always means the room of that name, also
/// after that has gone and come again. The registry must outlive it.
///
/// Thread safety: as the registry's, also when threads share one Room, though
/// one each is faster; but not while it is being assigned to, moved from or
/// destroyed.
template <connection Connection, class Traits = DefaultTraits>
class Room {
    using Registry = RoomRegistry<Connection, Traits>;
    using Record = typename Registry::Record;

public:
    Room(Registry& registry, typename Registry::room_view id) : registry_(&registry), id_(id) {}

    Room(const Room& other) : registry_(other.registry_), id_(other.id_) {}
    Room(Room&& other) noexcept
        : registry_(other.registry_), id_(std::move(other.id_)), record_(std::exchange(other.record_, nullptr)) {}
    Room& operator=(Room other) noexcept {
        std::swap(registry_, other.registry_);
        std::swap(id_, other.id_);
        std::swap(record_, other.record_);
        return *this;
    }
    ~Room() {
        if (!record_) return;
        typename Registry::Call call(registry_->engine_);
        registry_->directory().release(*record_);
    }

    [[nodiscard]] const typename Registry::room_id& id() const noexcept { return id_; }

    /// As the registry's functions of these names.
    PublishResult publish(const Connection& c, Frame payload, typename Registry::Publish how = {}) {
        const auto membership = [&](const auto& record) {
            const Record* const room = find();
            return room ? registry_->directory().membership(record, *room) : nullptr;
        };
        return registry_->post_.publish(c, membership, [&] { return find(); }, std::move(payload), std::move(how));
    }
    Delivery broadcast(const Frame& payload, const typename Registry::Broadcast& how = {}) {
        return registry_->post_.broadcast([&] { return begin_express(); }, [&] { return find(); }, payload, how);
    }
    [[nodiscard]] JoinResult join(Connection c, typename Registry::Join join) {
        join.room = id_;
        return registry_->join(std::move(c), std::move(join));
    }
    LeaveStatus leave(const Connection& c, typename Registry::context answer = {}) {
        return registry_->leave(c, id_, std::move(answer));
    }
    [[nodiscard]] bool is_member(const Connection& c) const { return registry_->is_member(c, id_); }
    [[nodiscard]] std::optional<Counts> count() const { return registry_->count(id_); }
    [[nodiscard]] std::optional<Position> position() const { return registry_->position(id_); }

private:
    /// Under the lock. While another thread looks at `record_` the name is looked
    /// up: nobody waits.
    Record* find() {
        detail::Gate& gate = registry_->engine_.core.handles.of(this);
        if (!gate.enter()) return registry_->directory().find_room(id_);
        if (!record_ || !record_->indexed) {
            Record* found = registry_->directory().find_room(id_);
            if (found) ++found->references;
            if (Record* old = std::exchange(record_, found)) registry_->directory().release(*old);
        }
        Record* const found = record_;
        gate.leave(false);
        return found;
    }
    /// Without the lock: the room, its express begun (see Engine::begin_express),
    /// which keeps it alive; null where that cannot be.
    Record* begin_express() noexcept {
        detail::Gate& gate = registry_->engine_.core.handles.of(this);
        if (!gate.enter()) return nullptr;
        Record* const begun = record_ && registry_->engine_.begin_express(*record_) ? record_ : nullptr;
        gate.leave(begun != nullptr);
        return begun;
    }

    Registry* registry_;
    typename Registry::room_id id_;
    Record* record_ = nullptr;  // kept alive; touched by who is in the gate of this handle
};

}  // namespace roomcast
