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
#include <websocketpp/random/none.hpp>
#include <websocketpp/transport/iostream/connection.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace roomcast::adapters::detail {

/// websocketpp keeps the byte order in a static that its first use fills,
/// unguarded; here it is filled before there is a second thread.
inline const bool byte_order_known = (websocketpp::lib::net::_htonll(0), true);

/// websocketpp answers older drafts, which know neither its size limit nor its
/// UTF-8 check. Ours hides their upgrade, so that they become plain HTTP.
struct Request : websocketpp::http::parser::request {
    std::size_t consume(const char* bytes, std::size_t size) {
        const auto used = websocketpp::http::parser::request::consume(bytes, size);
        if (ready() && get_header("Sec-WebSocket-Version") != "13") remove_header("Upgrade");
        return used;
    }
};

struct Response : websocketpp::http::parser::response {
    /// Whatever does not upgrade is the last on its connection.
    [[nodiscard]] std::string raw() const {
        using Base = websocketpp::http::parser::response;
        if (get_status_code() == websocketpp::http::status_code::switching_protocols) return Base::raw();
        Base last = *this;
        last.replace_header("Connection", "close");
        if (last.get_header("Content-Length").empty()) last.replace_header("Content-Length", "0");
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
