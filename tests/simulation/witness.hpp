// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "roomcast/history.hpp"
#include "roomcast/message.hpp"
#include "roomcast/options.hpp"
#include "simulation/words.hpp"
#include "support/whereabouts.hpp"

namespace simulation {

/// A message as it was handed over.
struct Sent {
    std::size_t room = nowhere;
    std::size_t publisher = nobody;
    std::size_t except = nobody;     // who was known to the registry then, and must not get it
    std::size_t perhaps_except = nobody;
    bool echo = true;
    bool require_tag = false;
    bool encodable = true;
    std::uint32_t request = 0;       // of the publisher, when it wants an answer
};

enum class Asked : std::uint8_t { join, publish, leave };

/// A request whose answer is awaited.
struct Request {
    Asked asked;
    std::size_t session, room;
    bool taken = false;
    std::size_t answered = 0;  // calls of the events policy
    Say how{};                 // the last of them
    std::size_t heard = 0;
    std::optional<roomcast::Position> since{};
};

/// Listens to all that a registry says, and tells the scheduler of the first
/// thing that breaks one of the guarantees in tests/README.md.
class Witness {
public:
    Witness(roomcast::Membership membership, roomcast::OtherDevices others)
        : one_room_(membership != roomcast::Membership::many_rooms), whereabouts_(membership, others) {
        messages_.emplace_back();
        requests_.push_back({Asked::leave, nobody, nowhere});
    }

    // What threads do.

    [[nodiscard]] std::size_t add_session(std::size_t user, bool tagged);
    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }
    [[nodiscard]] std::uint32_t add_message(const Sent& sent);
    [[nodiscard]] std::uint32_t add_request(Asked asked, std::size_t session, std::size_t room);
    void taken(std::uint32_t request) { requests_[request].taken = true; }
    void asks_since(std::uint32_t request, roomcast::Position since) { requests_[request].since = since; }
    [[nodiscard]] std::optional<roomcast::Position> asked_since(std::uint32_t request) const {
        return requests_[request].since;
    }

    /// A join of a session begins, and is over.
    void join_begins(std::size_t session, std::size_t room);
    void join_is_over(std::size_t session);

    /// Something that may end memberships: whose, where (a bit for each room),
    /// and whether it is a leave of theirs, or a join.
    struct Ending {
        std::size_t user = nobody, session = nobody;  // neither: everybody's
        unsigned rooms_mask = all_rooms;
        bool leave = false, join = false;
        std::vector<std::size_t> joins{};  // begun so far; none of a user that has one under way
        bool under_way = true;
    };
    using EndingId = std::size_t;
    EndingId ending_begins(Ending ending);
    /// It has returned, and did what it should, or ended nothing.
    void ended(EndingId id);
    void withdrawn(EndingId id);
    void disconnect_begins(std::size_t session);
    void disconnected(std::size_t session, EndingId id);

    // What the registry does.

    void encoded(const Word& payload, roomcast::Position position);
    [[nodiscard]] bool encodable(std::uint32_t id) const { return messages_[id].encodable; }
    void answered(std::uint32_t id, Say how);
    void replayed(std::size_t room, roomcast::Position position, const roomcast::Position* since, bool recovered,
                  const std::vector<std::pair<std::uint64_t, std::uint32_t>>& entries);
    void send_begins(std::size_t session, int thread, std::string_view bytes);
    void accepted(std::size_t session, std::string_view bytes);
    void busy(std::size_t session) { sessions_[session].was_busy = true; }
    void closes(std::size_t session);
    void terminates(std::size_t session);

    using Whereabouts = tests::Whereabouts<std::size_t, std::size_t>;
    void observed_begins();
    void observed_ends(const Whereabouts::Told& told);

    // At the end of a schedule, when nothing is left to be done.

    /// An open connection: where it is, and the last number there.
    void check_open(std::size_t session, const std::array<bool, rooms>& member,
                    const std::array<roomcast::Position, rooms>& positions);
    void check_requests(const std::vector<bool>& open);
    /// What observers were told, and what the registry says.
    void check_whereabouts(std::size_t room, const std::vector<std::size_t>& sessions);
    void check_nothing_left();
    /// The last message that it heard of, for a later join.
    [[nodiscard]] roomcast::Position last_heard(std::size_t session, std::size_t room) const {
        return {sessions_[session].places[room].epoch, sessions_[session].places[room].last};
    }

private:
    /// No join of its user was under way with it, or has begun since.
    [[nodiscard]] bool stays_ended(const Ending& ending, std::size_t session) const {
        const std::size_t user = sessions_[session].user;
        return ending.joins[user] != 0 && ending.joins[user] == joins_begun_[user];
    }

    /// What a session knows of a room.
    struct Place {
        bool in = false;
        bool torn = false;          // something is missing between two joins: no more than the end may follow
        std::uint64_t epoch = 0, last = 0;
        const void* life = nullptr;
        std::size_t endings = 0;    // begun and not withdrawn: they may come without a word
        std::size_t leaves = 0;     // of these, those of its own accord
        std::size_t strays = 0;     // messages of a membership that had ended so
        bool over = false;          // an ending has returned, and no join has begun since
        int over_by = -1;           // to which thread
        std::size_t after = 0;      // sends begun since
    };
    struct Session {
        std::size_t user;
        bool tagged;
        std::array<Place, rooms> places{};
        bool was_busy = false;
        bool farewelled = false, closed = false, terminated = false, disconnected = false, disconnecting = false;
        std::size_t joins = 0;      // under way
        bool revived = false;       // it was joining while it was forgotten: it may have come anew
        std::array<std::uint8_t, 5> sends_after_close{};
        std::map<int, std::uint32_t> last_direct{};
    };
    enum class Meant : std::uint8_t { never, perhaps, surely };

    void fail(const std::string& what) const;
    void fail(std::size_t session, const Word& word, const std::string& what) const;
    /// Calls `action(place)` for each place of the session in which it may end.
    template <class Action>
    void at_each_place(const Ending& ending, std::size_t session, Action action) {
        if (ending.user != nobody && ending.user != sessions_[session].user) return;
        if (ending.session != nobody && ending.session != session) return;
        for (std::size_t r = 0; r < rooms; ++r)
            if (ending.rooms_mask >> r & 1) action(sessions_[session].places[r]);
    }
    static void may_end(const Ending& ending, Place& place) {
        ++place.endings;
        place.leaves += ending.leave;
    }
    [[nodiscard]] Meant meant(std::size_t session, std::uint32_t id) const;
    /// How many numbered messages from `first` to `last` were surely meant for
    /// it, and how many perhaps.
    [[nodiscard]] std::pair<std::size_t, std::size_t> missed(std::size_t session, std::uint64_t epoch,
                                                             std::uint64_t first, std::uint64_t last) const;
    void hear(std::size_t session, const Word& word);
    void hear_message(std::size_t session, const Word& word);
    void hear_joined(std::size_t session, const Word& word);
    void leave_heard(Place& place, const Word& word);
    void stray(std::size_t session, Place& place, const Word& word);

    const bool one_room_;
    std::vector<Session> sessions_;
    std::vector<Sent> messages_;
    std::vector<Request> requests_;
    std::vector<Ending> endings_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> numbers_;  // epoch, seq: the message
    std::vector<std::size_t> joins_begun_ = std::vector<std::size_t>(8), joins_over_ = std::vector<std::size_t>(8);

    bool observing_ = false;
    Whereabouts whereabouts_;
};

}  // namespace simulation
