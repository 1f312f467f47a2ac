// SPDX-License-Identifier: MIT
#pragma once

namespace roomcast::detail {

/// A node's place in some list.
class Place {
public:
    Place() noexcept = default;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    [[nodiscard]] bool linked() const noexcept { return next_ != this; }

    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        next_ = previous_ = this;
    }

private:
    friend class AnyList;
    template <class, class>
    friend class List;
    template <class, class>
    friend class SlimList;

    void link_before(Place& place) noexcept {
        previous_ = place.previous_;
        next_ = &place;
        previous_->next_ = this;
        place.previous_ = this;
    }

    Place* next_ = this;
    Place* previous_ = this;
};

/// What a node derives from; the tag tells its places apart.
template <class Tag>
class Link : public Place {};

/// What lists do without knowing what their nodes are, compiled once.
class AnyList {
public:
    [[nodiscard]] bool empty() const noexcept { return !root_.linked(); }

protected:
    // Null: there is none.
    [[nodiscard]] Place* following(const Place& place) const noexcept {
        return place.next_ == &root_ ? nullptr : place.next_;
    }
    [[nodiscard]] Place* preceding(const Place& place) const noexcept {
        return place.previous_ == &root_ ? nullptr : place.previous_;
    }

    /// All of `other` goes to the end. O(1).
    void take(AnyList& other) noexcept {
        if (other.empty()) return;
        Place* const first = other.root_.next_;
        Place* const last = other.root_.previous_;
        other.root_.next_ = other.root_.previous_ = &other.root_;
        first->previous_ = root_.previous_;
        last->next_ = &root_;
        root_.previous_->next_ = first;
        root_.previous_ = last;
    }

    Place root_;
};

/// A doubly linked list through its nodes: nothing allocates, nothing fails,
/// a node leaves without its list. The list does not own its nodes.
template <class T, class Tag>
class List : AnyList {
public:
    using AnyList::empty;

    [[nodiscard]] T* front() const noexcept { return static_cast<T*>(static_cast<Link<Tag>*>(following(root_))); }
    [[nodiscard]] T* back() const noexcept { return static_cast<T*>(static_cast<Link<Tag>*>(preceding(root_))); }
    [[nodiscard]] T* next(const T& node) const noexcept {
        return static_cast<T*>(static_cast<Link<Tag>*>(following(static_cast<const Link<Tag>&>(node))));
    }
    [[nodiscard]] T* previous(const T& node) const noexcept {
        return static_cast<T*>(static_cast<Link<Tag>*>(preceding(static_cast<const Link<Tag>&>(node))));
    }

    void push_back(T& node) noexcept { static_cast<Link<Tag>&>(node).link_before(root_); }
    void push_front(T& node) noexcept { static_cast<Link<Tag>&>(node).link_before(*root_.next_); }
    /// Behind `before`; null: to the front.
    void insert_after(T* before, T& node) noexcept {
        Place& place = before ? static_cast<Place&>(static_cast<Link<Tag>&>(*before)) : root_;
        static_cast<Link<Tag>&>(node).link_before(*place.next_);
    }

    static void unlink(T& node) noexcept { static_cast<Link<Tag>&>(node).unlink(); }
    static bool linked(const T& node) noexcept { return static_cast<const Link<Tag>&>(node).linked(); }

    T* pop_front() noexcept {
        T* node = front();
        if (node) unlink(*node);
        return node;
    }

    /// All of `other` goes to the end of this list. O(1).
    void take(List& other) noexcept { AnyList::take(other); }
};

/// A list for records that come in great numbers: its head is one pointer, and
/// its nodes leave through it, never by `List::unlink` of the same tag.
template <class T, class Tag>
class SlimList {
public:
    SlimList() noexcept = default;
    SlimList(SlimList&& other) noexcept : first_(other.first_) { other.first_ = nullptr; }
    SlimList& operator=(SlimList&&) = delete;

    [[nodiscard]] bool empty() const noexcept { return !first_; }
    [[nodiscard]] T* front() const noexcept { return to_node(first_); }
    [[nodiscard]] T* next(const T& node) const noexcept {
        Place* const place = static_cast<const Link<Tag>&>(node).next_;
        return place == first_ ? nullptr : to_node(place);
    }

    void push_back(T& node) noexcept {
        if (first_) static_cast<Link<Tag>&>(node).link_before(*first_);
        else first_ = &static_cast<Link<Tag>&>(node);
    }
    T* pop_front() noexcept {
        T* const node = front();
        if (node) erase(*node);
        return node;
    }
    void erase(T& node) noexcept {
        Place& place = static_cast<Link<Tag>&>(node);
        if (!place.linked()) {
            first_ = nullptr;  // it was the only one
        } else {
            if (first_ == &place) first_ = place.next_;
            place.unlink();
        }
    }

private:
    static T* to_node(Place* place) noexcept { return static_cast<T*>(static_cast<Link<Tag>*>(place)); }

    Place* first_ = nullptr;
};

/// Nodes on top of each other, each with a pointer to the one below.
template <class T, T* T::*below>
class Stack {
public:
    Stack() noexcept = default;
    Stack(Stack&& other) noexcept : top_(other.top_) { other.top_ = nullptr; }
    Stack& operator=(Stack&&) = delete;

    [[nodiscard]] bool empty() const noexcept { return !top_; }
    void push(T& node) noexcept {
        node.*below = top_;
        top_ = &node;
    }
    T* pop() noexcept {
        T* const node = top_;
        if (node) top_ = node->*below;
        return node;
    }

private:
    T* top_ = nullptr;
};

}  // namespace roomcast::detail
