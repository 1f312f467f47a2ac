// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>

namespace roomcast {

/// Immutable bytes that many holders share: a message as it goes out on the
/// wire. Copying costs one atomic increment; the last holder frees the bytes (or
/// FrameCopies soon after it).
/// An adapter that cannot write at once keeps a copy of the frame, not of the
/// bytes.
///
/// Thread safety: distinct frames may be used concurrently, also when they
/// share bytes.
class Frame {
public:
    Frame() noexcept = default;

    /// Copies `bytes`. Throws std::bad_alloc. Empty bytes allocate nothing.
    Frame(std::string_view bytes) : block_(make(bytes.size())) {
        if (block_) std::memcpy(block_->bytes(), bytes.data(), bytes.size());
    }
    Frame(const std::string& bytes) : Frame(std::string_view(bytes)) {}
    Frame(const char* bytes) : Frame(std::string_view(bytes)) {}
    Frame(std::span<const std::byte> bytes)
        : Frame(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {}

    /// A frame of `size` bytes which `fill(char*)` writes, so that encoders
    /// need no copy.
    template <class Fill>
    [[nodiscard]] static Frame filled(std::size_t size, Fill&& fill) {
        Frame frame;
        frame.block_ = make(size);
        if (frame.block_) fill(frame.block_->bytes());
        return frame;
    }

    Frame(const Frame& other) noexcept : block_(other.block_) {
        // Relaxed: a new reference is made from one that already exists.
        if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
    }
    Frame(Frame&& other) noexcept : block_(other.block_) { other.block_ = nullptr; }
    Frame& operator=(Frame other) noexcept {
        Block* const before = block_;
        block_ = other.block_;
        other.block_ = before;
        return *this;
    }
    ~Frame() {
        if (block_) let_go(*block_);
    }

    [[nodiscard]] std::string_view view() const noexcept {
        return block_ ? std::string_view(block_->bytes(), block_->size) : std::string_view();
    }
    operator std::string_view() const noexcept { return view(); }
    [[nodiscard]] const char* data() const noexcept { return view().data(); }
    [[nodiscard]] std::size_t size() const noexcept { return block_ ? block_->size : 0; }
    [[nodiscard]] bool empty() const noexcept { return !block_; }

private:
    struct Block {
        std::atomic<std::size_t> references{1};
        std::size_t size;
        explicit Block(std::size_t n) noexcept : size(n) {}
        char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    };

    static Block* make(std::size_t size) {
        if (size == 0) return nullptr;
        return ::new (::operator new(sizeof(Block) + size)) Block(size);
    }

    friend class FrameCopies;
    explicit Frame(Block* counted) noexcept : block_(counted) {}

    static void release(Block& block, std::size_t count) noexcept {
        // Release, then acquire: the last holder sees every earlier use.
        if (block.references.fetch_sub(count, std::memory_order_acq_rel) == count) {
            block.~Block();
            ::operator delete(&block);
        }
    }

    /// What a thread that hands out FrameCopies has let go of and not counted yet:
    /// many who keep their last frame all let go of the same.
    struct LetGo {
        std::size_t hand_outs = 0;  // under way
        Block* block = nullptr;
        std::size_t count = 0;

        void release() noexcept {
            if (count != 0) Frame::release(*block, count);
            count = 0;
        }
    };
    static LetGo& let_go_here() noexcept {
        static constinit thread_local LetGo here;
        return here;
    }
    static void let_go(Block& block) noexcept {
        LetGo& here = let_go_here();
        if (here.hand_outs == 0) return release(block, 1);
        if (here.block != &block) {
            here.release();
            here.block = &block;
        }
        ++here.count;
    }

    Block* block_ = nullptr;
};

/// Copies of one frame for many who keep it: counted in one step beforehand, and
/// those that nobody took in another at the end. While it lives, what its thread
/// lets go of is counted by as few steps, and may so be freed as late as that.
///
/// Thread safety: none; it lives and dies in one thread. The copies are as any
/// frames.
class FrameCopies {
public:
    FrameCopies(const Frame& frame, std::size_t count) noexcept : block_(frame.block_), left_(count) {
        if (block_ && count != 0) block_->references.fetch_add(count, std::memory_order_relaxed);
        ++Frame::let_go_here().hand_outs;
    }
    FrameCopies(const FrameCopies&) = delete;
    FrameCopies& operator=(const FrameCopies&) = delete;
    ~FrameCopies() {
        Frame::LetGo& here = Frame::let_go_here();
        --here.hand_outs;
        here.release();
        if (block_ && left_ != 0) Frame::release(*block_, left_);
    }

    /// At most `count` times.
    [[nodiscard]] Frame take() noexcept {
        --left_;
        return Frame(block_);
    }

private:
    Frame::Block* const block_;
    std::size_t left_;
};

}  // namespace roomcast
