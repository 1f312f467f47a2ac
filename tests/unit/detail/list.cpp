// SPDX-License-Identifier: MIT
#include "roomcast/detail/list.hpp"

#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace {
using roomcast::detail::Link;
using roomcast::detail::List;
using roomcast::detail::SlimList;
using roomcast::detail::Stack;

struct Here;
struct There;
struct Node : Link<Here>, Link<There> {
    int value;
    explicit Node(int v) : value(v) {}
};
struct Plate {
    int value;
    Plate* below = nullptr;
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
        while (Node* first = list.front()) list.erase(*first);
        CHECK(list.empty());
        list.push_back(*left);
        CHECK(values(list) == Values{leaves});
    }
}

TEST_CASE("a stack gives the newest first, and is empty once it was moved from") {
    Plate a{1}, b{2};
    Stack<Plate, &Plate::below> stack;
    CHECK(stack.pop() == nullptr);
    stack.push(a);
    stack.push(b);
    Stack<Plate, &Plate::below> other(std::move(stack));
    CHECK(stack.empty());
    CHECK_FALSE(other.empty());
    CHECK(other.pop() == &b);
    CHECK(other.pop() == &a);
    CHECK(other.empty());
}
