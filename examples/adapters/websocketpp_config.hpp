// SPDX-License-Identifier: MIT
#pragma once

#include <websocketpp/common/network.hpp>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/connection_base.hpp>
#include <websocketpp/extensions/permessage_deflate/disabled.hpp>
#include <websocketpp/http/request.hpp>
#include <websocketpp/http/response.hpp>
#include <websocketpp/logger/stub.hpp>
#include <websocketpp/message_buffer/alloc.hpp>
#include <websocketpp/message_buffer/message.hpp>
#include <websocketpp/processors/processor.hpp>
#include <websocketpp/random/none.hpp>
#include <websocketpp/transport/iostream/connection.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/http.hpp"

namespace roomcast::adapters::detail {

/// websocketpp keeps the byte order in a static that its first use fills,
/// unguarded; here it is filled before there is a second thread.
inline const bool byte_order_known = (websocketpp::lib::net::_htonll(0), true);

/// Base64 of 16 bytes, which is what a handshake's key is.
[[nodiscard]] inline bool is_handshake_key(std::string_view key) noexcept {
    constexpr std::size_t digits = 22;
    return key.size() == digits + 2 && key.ends_with("==") &&
           key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") == digits;
}

/// websocketpp meets a faulty handshake with a bare 400, before anybody is
/// asked, and accepts those of older drafts, which know neither its size limit
/// nor its UTF-8 check. Ours hides every upgrade but those that RFC 6455,
/// section 4.2.1, wants, so that the others become plain HTTP.
struct Request : websocketpp::http::parser::request {
    /// A handshake but for its key.
    bool bad_key = false;

    std::size_t consume(const char* bytes, std::size_t size) {
        using Base = websocketpp::http::parser::request;
        std::size_t used = 0;
        while (get_version().empty() && !ready() && used < size) {  // the first line by itself
            const std::string_view rest(bytes + used, size - used);
            used += Base::consume(rest.data(), std::min(rest.find('\n'), rest.size() - 1) + 1);
            // HTTP/1.0 has no Host, without which websocketpp accepts nothing.
            if (get_version() == "HTTP/1.0") replace_header("Host", std::string(no_host));
        }
        used += Base::consume(bytes + used, size - used);
        if (ready()) understand();
        return used;
    }

private:
    static constexpr std::string_view no_host = "none";

    void understand() {
        if (get_version() == "HTTP/1.0") {
            // Their own comes behind ours, as one more of a list.
            const auto host = get_header("Host").substr(no_host.size());
            if (host.empty()) remove_header("Host");
            else replace_header("Host", host.substr(2));
        }
        const bool asked = get_version() == "HTTP/1.1" && get_header("Sec-WebSocket-Version") == "13" &&
                           websocketpp::processor::is_websocket_handshake(*this);
        bad_key = asked && !is_handshake_key(get_header("Sec-WebSocket-Key"));
        if (!asked || bad_key || get_method() != "GET") remove_header("Upgrade");
    }
};

struct Response : websocketpp::http::parser::response {
    /// Whatever does not upgrade is the last on its connection.
    [[nodiscard]] std::string raw() const {
        using Base = websocketpp::http::parser::response;
        if (get_status_code() == websocketpp::http::status_code::switching_protocols) return Base::raw();
        Base last = *this;
        last.replace_header("Connection", "close");
        const auto add = [&](const std::string& name, std::string_view value) {
            if (last.get_header(name).empty()) last.replace_header(name, std::string(value));
        };
        add("Content-Length", "0");
        for (const auto& [name, value] : default_headers) add(std::string(name), value);
        return last.raw();
    }
};

/// No lock, no log, no timer, no socket: what websocketpp is here for is the
/// handshake, frames, masks, UTF-8 and close codes.
struct Config {
    using type = Config;
    using concurrency_type = websocketpp::concurrency::none;
    using request_type = Request;
    using response_type = Response;
    using message_type = websocketpp::message_buffer::message<websocketpp::message_buffer::alloc::con_msg_manager>;
    using con_msg_manager_type = websocketpp::message_buffer::alloc::con_msg_manager<message_type>;
    using elog_type = websocketpp::log::stub;
    using alog_type = websocketpp::log::stub;
    using rng_type = websocketpp::random::none::int_generator<std::uint32_t>;
    using connection_base = websocketpp::connection_base;

    struct transport_config {
        using concurrency_type = Config::concurrency_type;
        using elog_type = Config::elog_type;
        using alog_type = Config::alog_type;
    };
    struct transport_type {
        using transport_con_type = websocketpp::transport::iostream::connection<transport_config>;
    };
    struct permessage_deflate_config {
        using request_type = Request;
    };
    using permessage_deflate_type = websocketpp::extensions::permessage_deflate::disabled<permessage_deflate_config>;

    static const bool enable_multithreading = false;
    static const bool enable_extensions = false;
    static const bool drop_on_protocol_error = false;
    static const bool silent_close = false;
    static const int client_version = 13;
    static const long timeout_open_handshake = 0;
    static const long timeout_close_handshake = 0;
    static const long timeout_pong = 0;
    static const websocketpp::log::level elog_level = websocketpp::log::elevel::none;
    static const websocketpp::log::level alog_level = websocketpp::log::alevel::none;
    static const std::size_t connection_read_buffer_size = 512;
    static const std::size_t max_message_size = 16 * 1024;
    static const std::size_t max_http_body_size = 4 * 1024;
};

}  // namespace roomcast::adapters::detail
