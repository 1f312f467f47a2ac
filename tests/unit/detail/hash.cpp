// SPDX-License-Identifier: MIT
#include "roomcast/detail/hash.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"

using roomcast::detail::SeededHash;

namespace {
/// How many of 4,096 keys fall into the fullest of 1,024 places, which the low
/// or the high bits choose.
template <class Key>
std::size_t fullest(const SeededHash& hash, Key key) {
    std::vector<std::size_t> low(1024), high(1024);
    for (std::uint64_t i = 0; i < 4096; ++i) ++low[hash(key(i)) % 1024], ++high[hash(key(i)) >> 22];
    return std::max(*std::max_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end()));
}
}  // namespace

TEST_CASE("a hash is the same for the same key, and hardly for another") {
    const SeededHash hash;
    std::set<std::size_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string key = "user " + std::to_string(i);
        CHECK(hash(key) == hash(std::string(key)));
        seen.insert(hash(key));
        seen.insert(hash(i));
    }
    CHECK(seen.size() >= 1997);  // of 2,000; more than three pairs in 2^32 are as good as impossible
}

TEST_CASE("texts of every length differ by each of their bytes") {
    const SeededHash hash;
    std::set<std::size_t> seen;
    std::size_t made = 0;
    for (std::size_t length = 0; length < 20; ++length) {
        std::string text(length, '\0');
        seen.insert(hash(text));
        ++made;
        for (char& c : text) {
            c = 'x';
            seen.insert(hash(text));
            ++made;
            c = '\0';
        }
    }
    CHECK(seen.size() == made);
}

TEST_CASE("two hashes put the same keys elsewhere", "[invariant-13]") {
    const SeededHash one, two;
    int same = 0;
    for (int i = 0; i < 1000; ++i) {
        same += one("user " + std::to_string(i)) % 1024 == two("user " + std::to_string(i)) % 1024;
        same += one(i) % 1024 == two(i) % 1024;
        same += one.mix(static_cast<std::uint64_t>(i)) % 1024 == two.mix(static_cast<std::uint64_t>(i)) % 1024;
    }
    CHECK(same < 60);
    CHECK(one.salt() != two.salt());
}

TEST_CASE("keys with a pattern do not heap up in few places", "[invariant-13]") {
    const SeededHash hash;
    CHECK(fullest(hash, [](std::uint64_t i) { return i; }) < 40);
    CHECK(fullest(hash, [](std::uint64_t i) { return i << 20; }) < 40);
    CHECK(fullest(hash, [](std::uint64_t i) { return i << 44; }) < 40);
    CHECK(fullest(hash, [](std::uint64_t i) { return i << 32; }) < 40);
    CHECK(fullest(hash, [](std::uint64_t i) { return i * 4096 + 0x7f0000000000; }) < 40);
    CHECK(fullest(hash, [](std::uint64_t i) { return std::to_string(i << 20); }) < 40);
}
