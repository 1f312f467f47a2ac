// SPDX-License-Identifier: MIT
#include "roomcast/detail/list.hpp"

#include <vector>

#include "support/catch.hpp"

namespace {
using roomcast::detail::Circle;
using roomcast::detail::Link;
using roomcast::detail::List;
using roomcast::detail::SlimList;

struct Here;
struct There;
struct Node : Link<Here>, Link<There> {
    int value;
    explicit Node(int v) : value(v) {}
};

template <class Tag>
std::vector<int> values(const List<Node, Tag>& list) {
    std::vector<int> forwards, backwards;
    for (Node* n = list.front(); n; n = list.next(*n)) forwards.push_back(n->value);
    for (Node* n = list.back(); n; n = list.previous(*n)) backwards.insert(backwards.begin(), n->value);
    CHECK(forwards == backwards);
    return forwards;
}
using Values = std::vector<int>;

Values values(const SlimList<Node, Here>& list) {
    Values found;
    for (Node* n = list.front(); n; n = list.next(*n)) found.push_back(n->value);
    return found;
}
}  // namespace

TEST_CASE("a list keeps its nodes in order, at both ends") {
    Node a(1), b(2), c(3);
    List<Node, Here> list;
    CHECK(list.empty());
    CHECK(list.front() == nullptr);
    CHECK(list.back() == nullptr);
    list.push_back(b);
    list.push_back(c);
    list.push_front(a);
    CHECK(values(list) == Values{1, 2, 3});
    CHECK(list.pop_front() == &a);
    CHECK_FALSE(List<Node, Here>::linked(a));
    CHECK(values(list) == Values{2, 3});
}

TEST_CASE("a node leaves without its list, and twice without harm") {
    Node a(1), b(2), c(3);
    List<Node, Here> list;
    for (Node* n : {&a, &b, &c}) list.push_back(*n);
    List<Node, Here>::unlink(b);
    List<Node, Here>::unlink(b);
    CHECK(values(list) == Values{1, 3});
    List<Node, Here>::unlink(a);
    List<Node, Here>::unlink(c);
    CHECK(list.empty());
    CHECK(list.pop_front() == nullptr);
}

TEST_CASE("a node is in two lists by two tags") {
    Node a(1);
    List<Node, Here> here;
    List<Node, There> there;
    here.push_back(a);
    there.push_back(a);
    List<Node, Here>::unlink(a);
    CHECK(here.empty());
    CHECK(values(there) == Values{1});
}

TEST_CASE("a list takes all of another at its end") {
    Node a(1), b(2), c(3), d(4);
    List<Node, Here> one, two;
    one.take(two);
    CHECK(one.empty());
    two.push_back(a);
    two.push_back(b);
    one.take(two);
    CHECK(two.empty());
    two.push_back(c);
    two.push_back(d);
    one.take(two);
    CHECK(values(one) == Values{1, 2, 3, 4});
    two.take(one);
    CHECK(values(two) == Values{1, 2, 3, 4});
    CHECK(one.empty());
}

TEST_CASE("a slim list keeps its nodes in order, whichever of them leaves") {
    for (int leaves = 1; leaves <= 3; ++leaves) {
        Node a(1), b(2), c(3);
        SlimList<Node, Here> list;
        CHECK(list.empty());
        CHECK(list.front() == nullptr);
        CHECK(list.back() == nullptr);
        Values wanted;
        for (Node* n : {&a, &b, &c}) {
            list.push_back(*n);
            if (n->value != leaves) wanted.push_back(n->value);
        }
        CHECK(values(list) == Values{1, 2, 3});
        Node* const left = leaves == 1 ? &a : leaves == 2 ? &b : &c;
        list.erase(*left);
        CHECK_FALSE(List<Node, Here>::linked(*left));
        CHECK(values(list) == wanted);
        CHECK(list.back()->value == wanted.back());
        while (Node* first = list.front()) list.erase(*first);
        CHECK(list.empty());
        list.push_back(*left);
        CHECK(values(list) == Values{leaves});
    }
}

TEST_CASE("a node of a slim list is known to be in it, alone or not, and gives its place to another") {
    for (int leaves = 1; leaves <= 3; ++leaves) {
        Node a(1), b(2), c(3), other(4);
        SlimList<Node, Here> list;
        Values wanted;
        for (Node* n : {&a, &b, &c}) {
            CHECK_FALSE(list.contains(*n));
            list.push_back(*n);
            CHECK(list.contains(*n));
            wanted.push_back(n->value == leaves ? 4 : n->value);
        }
        Node& left = leaves == 1 ? a : leaves == 2 ? b : c;
        list.replace(left, other);
        CHECK_FALSE(list.contains(left));
        CHECK(list.contains(other));
        CHECK(values(list) == wanted);
        CHECK(list.back()->value == wanted.back());
    }
    Node alone(1), other(2);
    SlimList<Node, Here> list;
    list.push_back(alone);
    list.replace(alone, other);
    CHECK_FALSE(list.contains(alone));
    CHECK(values(list) == Values{2});
    CHECK(list.back() == &other);
}

TEST_CASE("nodes in a circle are visited from any of them on, in order, and may leave meanwhile") {
    using Nodes = Circle<Node, There>;
    Node a(1), b(2), c(3);
    const auto seen_from = [](Node& first) {
        Values seen;
        Nodes::for_each(first, [&](Node& n) { seen.push_back(n.value); });
        return seen;
    };
    CHECK(Nodes::alone(a));
    CHECK(&Nodes::next(a) == &a);
    CHECK(seen_from(a) == Values{1});
    Nodes::append(a, b);
    Nodes::append(a, c);
    CHECK_FALSE(Nodes::alone(a));
    CHECK(seen_from(a) == Values{1, 2, 3});
    CHECK(seen_from(b) == Values{2, 3, 1});
    Nodes::leave(b);
    CHECK(Nodes::alone(b));
    CHECK(seen_from(c) == Values{3, 1});
    Nodes::append(a, b);
    Values left;
    Nodes::for_each(a, [&](Node& n) {
        left.push_back(n.value);
        Nodes::leave(n);
    });
    CHECK(left == Values{1, 3, 2});
    for (const Node* n : {&a, &b, &c}) CHECK(Nodes::alone(*n));
}
