// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

// As much of the live-comment protocol as the servers that are compared need:
// what goes over the wire has the same size everywhere.

/// A string field of a JSON object, as it stands there (escapes and all);
/// empty when there is none. For input that is known to be well-formed.
inline std::string_view string_field(std::string_view json, std::string_view name) {
    const std::string key = '"' + std::string(name) + '"';
    std::size_t at = json.find(key);
    if (at == json.npos) return {};
    at = json.find_first_not_of(" :", at + key.size());
    if (at == json.npos || json[at] != '"') return {};
    const std::size_t start = ++at;
    while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
    return at < json.size() ? json.substr(start, at - start) : std::string_view();
}

inline std::string joined_text(std::string_view room, std::string_view user, std::uint64_t seq,
                               std::size_t online) {
    const std::string count = std::to_string(online);
    std::string text = R"({"event":"joined","room":")";
    text.append(room).append(R"(","user":")").append(user).append(R"(","name":")").append(user);
    text.append(R"(","role":"viewer","connection":"-","epoch":"0","seq":)").append(std::to_string(seq));
    text.append(R"(,"online":{"users":)").append(count).append(R"(,"connections":)").append(count);
    return text.append(R"(},"was_recovering":false,"recovered":false,"history":[]})");
}

inline std::string left_text(std::string_view room) {
    return R"({"event":"left","of":"leave","room":")" + std::string(room) + R"("})";
}

inline std::string comment_text(std::string_view room, std::string_view user, std::uint64_t seq,
                                std::string_view text) {
    using namespace std::chrono;
    const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    std::string json = R"({"event":"comment","room":")";
    json.append(room).append(R"(","seq":)").append(std::to_string(seq)).append(R"(,"user":")").append(user);
    json.append(R"(","name":")").append(user).append(R"(","text":")").append(text);
    return json.append(R"(","mode":"scroll","ts":)").append(std::to_string(now)).append("}");
}

}  // namespace bench
