// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http.hpp"

namespace roomcast::adapters {

/// Which web pages may open a session. A page's script cannot forge `Origin`;
/// programs that are no browsers send none.
struct OriginRules {
    /// Names under which the server is known, without port, IPv6 in brackets.
    /// Whatever else a page calls it (DNS rebinding) is foreign.
    std::vector<std::string> hosts{"localhost", "127.0.0.1", "[::1]"};
    /// Further origins, whole ("https://example.org"), whatever the Host says.
    std::vector<std::string> origins{};
    /// Refuses a request without `Origin`.
    bool required = false;
};

/// Whether a request with these headers comes from the server's own page, from
/// a listed origin, or from no page at all. `scheme` is the request's.
[[nodiscard]] inline bool origin_allowed(const OriginRules& rules, std::string_view origin,
                                         std::string_view scheme, std::string_view host) {
    if (origin.empty()) return !rules.required;
    const auto is = [&](std::string_view text) {
        return [text](const std::string& other) { return equal_ignoring_case(other, text); };
    };
    if (std::any_of(rules.origins.begin(), rules.origins.end(), is(origin))) return true;

    // Browsers leave the default port out of both headers; others may name it.
    const std::string_view default_port = scheme == "https" ? ":443" : ":80";
    const auto shortened = [&](std::string_view text) {
        return text.ends_with(default_port) ? text.substr(0, text.size() - default_port.size()) : text;
    };
    if (origin.size() <= scheme.size() + 3 || !equal_ignoring_case(origin.substr(0, scheme.size()), scheme) ||
        origin.substr(scheme.size(), 3) != "://")
        return false;
    if (!equal_ignoring_case(shortened(origin.substr(scheme.size() + 3)), shortened(host))) return false;

    const auto colon = host.rfind(':');
    const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
    return std::any_of(rules.hosts.begin(), rules.hosts.end(), is(has_port ? host.substr(0, colon) : host));
}

}  // namespace roomcast::adapters
