// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roomcast::adapters {

/// ASCII only, as header names and host names are compared.
struct EqualIgnoringCase {
    [[nodiscard]] bool operator()(char a, char b) const noexcept { return lower(a) == lower(b); }

private:
    static char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
};

[[nodiscard]] inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), EqualIgnoringCase());
}

[[nodiscard]] inline bool contains_ignoring_case(std::string_view text, std::string_view part) noexcept {
    return std::search(text.begin(), text.end(), part.begin(), part.end(), EqualIgnoringCase()) != text.end();
}

/// A request as it came, without its body. Everything is borrowed for the call.
struct HttpRequest {
    std::string_view method;
    std::string_view path;            ///< not percent-decoded
    std::string_view query;           ///< what follows `?`
    std::string_view remote_address;  ///< the peer's, which may be a proxy
    std::vector<std::pair<std::string_view, std::string_view>> headers;

    /// The first one of this name, or nothing; the case of the name does not matter.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
        for (const auto& [key, value] : headers)
            if (equal_ignoring_case(key, name)) return value;
        return {};
    }
};

/// What every answer says to browsers, unless it says otherwise: nothing of
/// other servers is loaded, and nothing here is framed, guessed at or kept.
inline constexpr std::pair<std::string_view, std::string_view> default_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
     "frame-ancestors 'none'; base-uri 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"},
};

/// `Content-Length`, `Connection: close` and the default headers are added,
/// and the body is left out for HEAD.
struct HttpResponse {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string body{};
};

}  // namespace roomcast::adapters
