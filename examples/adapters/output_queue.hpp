// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "roomcast/frame.hpp"

namespace roomcast::adapters {

/// Frames that a socket did not take yet, in their order. It holds memory only
/// while there are some.
class OutputQueue {
public:
    [[nodiscard]] bool empty() const noexcept { return frames_.empty(); }

    /// Without the first `skip` bytes, which are on the wire already; only the
    /// first frame of a queue can have some. Throws std::bad_alloc.
    void push(Frame frame, std::size_t skip = 0) {
        frames_.push_back(std::move(frame));
        if (skip != 0) offset_ = skip;
    }

    /// Hands many frames to the socket in one call, without waiting. The bytes
    /// that it took, or -1 and errno.
    [[nodiscard]] ssize_t write_to(int fd) noexcept {
        constexpr std::size_t most = 64;
        iovec pieces[most];
        msghdr message{};
        message.msg_iov = pieces;
        for (std::size_t i = head_; i < frames_.size() && message.msg_iovlen < most; ++i) {
            const std::size_t skip = i == head_ ? offset_ : 0;
            const auto bytes = frames_[i].view().substr(skip);
            pieces[message.msg_iovlen++] = {const_cast<char*>(bytes.data()), bytes.size()};
        }
        const ssize_t written = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written > 0) drop(static_cast<std::size_t>(written));
        return written;
    }

private:
    void drop(std::size_t bytes) noexcept {
        while (bytes != 0) {
            const std::size_t left = frames_[head_].size() - offset_;
            if (bytes < left) {
                offset_ += bytes;
                break;
            }
            bytes -= left;
            offset_ = 0;
            frames_[head_++] = Frame();
        }
        if (head_ == frames_.size()) {
            frames_ = {};
            head_ = 0;
        } else if (head_ > 64 && head_ * 2 > frames_.size()) {
            frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
    }

    std::vector<Frame> frames_;
    std::size_t head_ = 0;    // frames before it are gone
    std::size_t offset_ = 0;  // bytes of the first frame that are gone
};

}  // namespace roomcast::adapters
