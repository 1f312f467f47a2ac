// SPDX-License-Identifier: MIT
// How what is told comes to connections: at once, or through the outbox of a
// busy one.
#include <algorithm>

#include "model/reference.hpp"

namespace model {

using roomcast::MessageClass;
using roomcast::SlowReaders;
using roomcast::testing::FakeSession;

std::string Reference::wire(int c, const std::string& payload, std::uint64_t seq) const {
    const roomcast::Frame frame(payload);
    return std::string(FakeSession::encode({.position = {0, seq}, .payload = frame}, connection(c).encoding).view());
}

/// The form of a message that is meant for this member; nothing: it is not
/// meant for it.
std::optional<Letter> Reference::letter(const Item& message, int r, int c, const Place& place) const {
    const Operation& op = message.op;
    if (c == message.except || (place.tags & op.require) != op.require || (place.tags & op.exclude) != 0) return std::nullopt;
    const bool apart = message.stay == place.stay && message.is_apart();
    if (apart && !op.echo) return std::nullopt;
    return Letter{.text = wire(c, apart ? op.own : op.payload, message.seq), .room = r, .stay = place.stay,
                  .message_class = op.message_class, .seq = message.seq, .key = op.key};
}

/// All messages as one, unless this member gets one of them otherwise.
std::optional<std::string> Reference::in_one_piece(const std::vector<Item>& batch, int r, int c, const Place& place) const {
    std::string whole;
    for (const Item& message : batch) {
        const auto one = letter(message, r, c, place);
        if (!one) return std::nullopt;
        if (batch.size() > 1 && message.stay == place.stay && message.is_apart()) return std::nullopt;
        whole += (whole.empty() ? "" : "\n") + one->text;
    }
    return whole;
}

/// Whether it still hears how its stays ended: once removed, only while its
/// outbox holds them.
bool Reference::hears(const Connection& c) const {
    if (!c.known) return false;
    return c.step == Step::open || (c.step == Step::farewell && !(c.outbox && has_too_much(*c.outbox)));
}

/// Of a stay that has ended, or of which the connection has not heard, nothing
/// is sent.
bool Reference::has_ended(int c, const Letter& letter) const {
    if (letter.stay == 0 || letter.lasting) return false;
    const auto& places = connection(c).places;
    return std::none_of(places.begin(), places.end(), [&](const Place& p) {
        return p.stay == letter.stay && p.told && !room(p.room)->closed;
    });
}

Reference::Answer Reference::attempt(int c, const std::string& text) {
    Connection& one = at(c);
    if (++one.attempts >= one.turns_at) return one.answer;
    one.heard.push_back({Heard::Kind::send, text});
    return Answer::accepted;
}

/// False when it neither went out nor waits.
bool Reference::put(int c, const Letter& letter) {
    if (!sends_) return true;
    std::optional<Answer> answer;
    if (!at(c).outbox && at(c).known && at(c).step < Step::terminate) answer = attempt(c, letter.text);
    return answer == Answer::accepted || deliver(c, letter, answer);
}

/// `answer`: what the connection said to it already.
bool Reference::deliver(int c, const Letter& letter, std::optional<Answer> answer) {
    if (!sends_) return true;
    Connection& one = at(c);
    if (!one.known || one.step == Step::terminate || has_ended(c, letter)) return false;
    if (!answer && !one.outbox) answer = attempt(c, letter.text);
    if (answer == Answer::accepted) return true;
    if (answer == Answer::failed) {
        broken(c);
        return false;
    }
    store(c, letter, answer.has_value());
    return true;
}

void Reference::store(int c, const Letter& letter, bool was_busy) {
    auto& outbox = at(c).outbox;
    if (!outbox) {
        outbox.emplace().oldest = now_;
        outbox->stamp = ++last_stamp_;
    }
    statistics_.replaced += outbox->take_in(letter, now_);
    if (was_busy) flush_soon(c);
    keep_bounds(c);
}

void Reference::keep_bounds(int c) {
    Outbox& outbox = *at(c).outbox;
    const auto too_large = [&] {
        const auto size = outbox.size(false);
        return size.messages > options_.outbox_messages || size.bytes > options_.outbox_bytes;
    };
    while (too_large()) {
        const SlowReaders policy = policy_of(outbox.entries.back().letter);
        const auto victim = outbox.least_valuable(policy);
        if (policy == SlowReaders::disconnect || policy_of(victim->letter) == SlowReaders::disconnect)
            return end_slow_reader(c);
        ++statistics_.dropped;
        outbox.give_up(victim);
    }
    if (has_too_much(outbox)) end_slow_reader(c);
}

bool Reference::has_too_much(const Outbox& outbox) const {
    const auto size = outbox.size(true);
    return size.messages > options_.outbox_control_messages || size.bytes > options_.outbox_control_bytes;
}

void Reference::end_slow_reader(int c) {
    Outbox& outbox = *at(c).outbox;
    statistics_.dropped += outbox.size(false).messages;
    outbox.forget_data();
    outbox.may_wait = false;
    if (!open(at(c))) return;
    ++statistics_.slow_consumers;
    remove(c, LeaveCause::removed, {CloseCode::slow_consumer, "read too slowly"});
}

SlowReaders Reference::policy_of(const Letter& letter) const {
    return (letter.stay == 0 || !room(letter.room) ? options_.room : room(letter.room)->options).slow_readers;
}

void Reference::flush_soon(int c) {
    if (std::find(flushes_.begin(), flushes_.end(), c) == flushes_.end()) flushes_.push_back(c);
}

/// As far as the connection takes it.
void Reference::flush(int c) {
    while (at(c).outbox && !at(c).outbox->entries.empty()) {
        Outbox& outbox = *at(c).outbox;
        const Outbox::Entry entry = outbox.entries.front();
        const bool meant = !has_ended(c, entry.letter);
        if (meant) {
            const auto text = entry.is_gap() ? gap_text(room_name(entry.letter.room), entry.missed, entry.letter.seq, entry.last)
                                             : entry.letter.text;
            const Answer answer = attempt(c, text);
            if (answer == Answer::busy) {
                if (entry.is_gap()) outbox.merge(outbox.entries.begin());
                keep_bounds(c);  // what has outlived its stay counts as data since
                if (outbox.entries.empty()) at(c).outbox.reset();
                return;
            }
            if (answer == Answer::failed) {
                at(c).outbox.reset();
                return broken(c);
            }
        }
        outbox.entries.pop_front();
        if (meant && !outbox.entries.empty()) outbox.oldest = std::max(outbox.oldest, outbox.entries.front().since);
    }
    at(c).outbox.reset();
}

}  // namespace model
