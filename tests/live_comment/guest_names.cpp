// SPDX-License-Identifier: MIT
#include "live_comment/guest_names.hpp"

#include "support/catch.hpp"

using live_comment::GuestNames;

TEST_CASE("a name in use needs its holder's key") {
    GuestNames names;
    const auto key = names.claim("alice", "Alice", "");
    REQUIRE(key);
    CHECK(key->size() == 32);
    CHECK_FALSE(names.claim("alice", "Alice", ""));
    CHECK_FALSE(names.claim("alice", "Other", "wrong"));
    CHECK_FALSE(names.claim("bob", "Alice", ""));
    CHECK_FALSE(names.claim("Alice", "bob", ""));
    CHECK(names.claim("bob", "bob", ""));
    CHECK(names.claim("alice", "Alice", *key) == key);
}

TEST_CASE("a name is free when its last holder has gone") {
    GuestNames names;
    const auto key = names.claim("alice", "Alice", "");
    REQUIRE(key);
    REQUIRE(names.claim("alice", "Alice", *key));
    names.release("alice", "Alice");
    CHECK_FALSE(names.claim("alice", "Alice", ""));
    names.release("alice", "Alice");
    const auto other = names.claim("alice", "Alice", "");
    REQUIRE(other);
    CHECK(*other != *key);
}

TEST_CASE("a refused claim holds nothing") {
    GuestNames names;
    REQUIRE(names.claim("alice", "Alice", ""));
    CHECK_FALSE(names.claim("bob", "Alice", ""));
    CHECK(names.claim("carol", "bob", ""));
}

TEST_CASE("a key from before goes on, so that devices may come back in any order") {
    GuestNames names;
    const std::string key = "0123456789abcdef0123456789abcdef";
    CHECK(names.claim("alice", "Alice", key) == key);
    CHECK(names.claim("alice", "Alice", key) == key);
}
