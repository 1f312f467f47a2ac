// SPDX-License-Identifier: MIT
#pragma once

// Catch2 2.13 and 3 keep their headers in different places.
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "roomcast/message.hpp"
#include "roomcast/results.hpp"

namespace tests {

template <auto Value>
constexpr std::string_view pretty() {
    return __PRETTY_FUNCTION__;
}

/// The enumerator's name; empty where `Value` is none.
template <auto Value>
constexpr std::string_view enumerator() {
    std::string_view text = pretty<Value>();
    text.remove_prefix(text.find("Value = ") + 8);
    text = text.substr(0, text.find_first_of(";]"));
    if (text.starts_with('(')) return {};
    return text.substr(text.rfind(':') + 1);
}

template <class E, int First, int... Offsets>
void find_enumerator(E value, std::string& name, std::integer_sequence<int, Offsets...>) {
    ((value == E{First + Offsets} ? void(name = enumerator<E{First + Offsets}>()) : void()), ...);
}

/// By name when its number is below 24 or, in wider enums, a close code's.
template <class E>
std::string enum_text(E value) {
    std::string name;
    find_enumerator<E, 0>(value, name, std::make_integer_sequence<int, 24>());
    if constexpr (sizeof(E) > 1) {
        find_enumerator<E, 1000>(value, name, std::make_integer_sequence<int, 16>());
        find_enumerator<E, 4000>(value, name, std::make_integer_sequence<int, 10>());
        find_enumerator<E, 4100>(value, name, std::make_integer_sequence<int, 4>());
        find_enumerator<E, 4200>(value, name, std::make_integer_sequence<int, 2>());
    }
    return name.empty() ? std::to_string(static_cast<long long>(value)) : name;
}

}  // namespace tests

// What a failed check prints.
namespace Catch {

template <class E>
    requires std::is_enum_v<E> && requires { E{0}; }
struct StringMaker<E> {
    static std::string convert(E value) { return tests::enum_text(value); }
};

template <>
struct StringMaker<roomcast::Counts> {
    static std::string convert(const roomcast::Counts& counts) {
        return std::to_string(counts.users) + " users, " + std::to_string(counts.connections) + " connections";
    }
};

template <>
struct StringMaker<roomcast::Position> {
    static std::string convert(const roomcast::Position& position) {
        return std::to_string(position.epoch) + '/' + std::to_string(position.seq);
    }
};

template <>
struct StringMaker<roomcast::Frame> {
    static std::string convert(const roomcast::Frame& frame) {
        return '"' + std::string(frame.view()) + '"';
    }
};

}  // namespace Catch
