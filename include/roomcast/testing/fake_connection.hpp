// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "roomcast/close_code.hpp"
#include "roomcast/connection.hpp"
#include "roomcast/frame.hpp"
#include "roomcast/json_events.hpp"
#include "roomcast/message.hpp"
#include "roomcast/testing/checked_mutex.hpp"

namespace roomcast::testing {

/// What a registry did to a FakeSession. `text` is the frame sent, or the
/// reason of a close.
struct Heard {
    enum class Kind : std::uint8_t { send, close, terminate };
    Kind kind;
    std::string text;
    CloseCode code = CloseCode::normal;
    friend bool operator==(const Heard&, const Heard&) = default;
};

/// A transport session for tests; use it as FakeConnection. It writes down
/// what it hears, in order, and misbehaves on demand. Every callback aborts
/// when it runs under a CheckedMutex.
///
/// `encode` writes by encoding: 0 the payload as it is; 1 `seq:payload` where
/// there is a number; 2 `epoch/seq:payload` there. The payload `unencodable`
/// throws.
///
/// Thread safety: all functions may be called concurrently, but for the hooks,
/// which are set before other threads know the session.
class FakeSession {
public:
    static constexpr std::string_view unencodable = "unencodable";

    explicit FakeSession(std::string name = {}, int encoding = 0) : name_(std::move(name)), encoding_(encoding) {}
    FakeSession(const FakeSession&) = delete;
    FakeSession& operator=(const FakeSession&) = delete;
    ~FakeSession() {
        assert_unlocked("the destructor of a connection");
        if (on_destroyed) on_destroyed();
    }

    // What the registry calls.
    SendStatus send(const Frame& frame) {
        assert_unlocked("send");
        const Outcome outcome = take(frame);
        if (on_send) on_send(frame.view());
        if (outcome == Outcome::thrown) throw std::runtime_error("this send was told to throw");
        if (outcome == Outcome::busy) return SendStatus::busy;
        return outcome == Outcome::failed ? SendStatus::closed : SendStatus::accepted;
    }
    void close(CloseCode code, std::string_view reason) {
        assert_unlocked("close");
        record({Heard::Kind::close, std::string(reason), code});
        if (on_close) on_close(code);
    }
    void terminate() {
        assert_unlocked("terminate");
        record({Heard::Kind::terminate, {}});
        if (on_terminate) on_terminate();
    }
    static Frame encode(const Message& message, int encoding) {
        assert_unlocked("encode");
        const std::string_view payload = message.payload.view();
        if (payload == unencodable) throw std::runtime_error("this payload cannot be encoded");
        if (encoding == 0 || message.position.seq == 0) return message.payload;
        std::string text = std::to_string(message.position.seq) + ':';
        if (encoding == 2) text.insert(0, epoch_text(message.position.epoch) + '/');
        return Frame(text.append(payload));
    }
    /// With a line feed between them.
    static Frame join_frames(std::span<const Frame> frames) {
        assert_unlocked("join_frames");
        std::string text;
        for (const Frame& frame : frames) (text += text.empty() ? "" : "\n") += frame.view();
        return Frame(text);
    }
    int encoding() const noexcept { return encoding_; }

    // Misbehaviour. `n` counts sends from now on, the next is 1; each of these
    // replaces what was said before.
    void stall() { stall_on(1); }
    /// Takes n - 1 more frames, then answers `busy` until `release`.
    void stall_on(std::size_t n) { set(Outcome::busy, n); }
    /// The nth send and all after it answer `closed`.
    void fail_on(std::size_t n) { set(Outcome::failed, n); }
    /// The nth send and all after it throw.
    void throw_on(std::size_t n) { set(Outcome::thrown, n); }
    /// Takes everything again. It is for the test to tell the registry that
    /// the connection is writable.
    void release() { set(Outcome::accepted, never); }

    // Run after the call was written down, and without any lock of the session:
    // they may call the registry, and this session.
    std::function<void(std::string_view frame)> on_send{};
    std::function<void(CloseCode code)> on_close{};
    std::function<void()> on_terminate{};
    std::function<void()> on_destroyed{};

    // What was heard.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Everything, in order.
    [[nodiscard]] std::vector<Heard> heard() const {
        const std::lock_guard lock(mutex_);
        return heard_;
    }
    /// The accepted frames, in order.
    [[nodiscard]] std::vector<std::string> frames() const {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> texts;
        for (const Heard& item : heard_)
            if (item.kind == Heard::Kind::send) texts.push_back(item.text);
        return texts;
    }
    /// What was heard since the last `take_heard`.
    [[nodiscard]] std::vector<Heard> take_heard() {
        const std::lock_guard lock(mutex_);
        return std::exchange(heard_, {});
    }
    [[nodiscard]] std::vector<std::string> take_frames() {
        std::vector<std::string> texts;
        for (Heard& item : take_heard())
            if (item.kind == Heard::Kind::send) texts.push_back(std::move(item.text));
        return texts;
    }
    /// Of all times, taken or not.
    [[nodiscard]] std::size_t closes() const { return count(closes_); }
    [[nodiscard]] std::size_t terminates() const { return count(terminates_); }
    /// Calls of `send`, whatever they answered.
    [[nodiscard]] std::size_t attempts() const {
        const std::lock_guard lock(mutex_);
        return attempts_;
    }

private:
    enum class Outcome : std::uint8_t { accepted, busy, failed, thrown };
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

    Outcome take(const Frame& frame) {
        const std::lock_guard lock(mutex_);
        ++attempts_;
        if (attempts_ >= turns_at_) return next_;
        heard_.push_back({Heard::Kind::send, std::string(frame.view())});
        return Outcome::accepted;
    }
    void set(Outcome outcome, std::size_t n) {
        const std::lock_guard lock(mutex_);
        next_ = outcome;
        turns_at_ = n == never ? never : attempts_ + n;
    }
    void record(Heard item) {
        const std::lock_guard lock(mutex_);
        ++(item.kind == Heard::Kind::close ? closes_ : terminates_);
        heard_.push_back(std::move(item));
    }
    std::size_t count(const std::size_t& of) const {
        const std::lock_guard lock(mutex_);
        return of;
    }

    const std::string name_;
    const int encoding_;
    mutable std::mutex mutex_;  // guards all below
    std::vector<Heard> heard_;
    std::size_t attempts_ = 0;
    std::size_t closes_ = 0, terminates_ = 0;
    std::size_t turns_at_ = never;  // from this attempt on the answer is next_
    Outcome next_ = Outcome::accepted;
};

using FakeConnection = std::shared_ptr<FakeSession>;

[[nodiscard]] inline FakeConnection make_fake(std::string name = {}, int encoding = 0) {
    return std::make_shared<FakeSession>(std::move(name), encoding);
}

}  // namespace roomcast::testing
