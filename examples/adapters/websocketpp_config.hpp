// SPDX-License-Identifier: MIT
#pragma once

#include <websocketpp/base64/base64.hpp>
#include <websocketpp/common/network.hpp>
#include <websocketpp/extensions/permessage_deflate/disabled.hpp>
#include <websocketpp/http/request.hpp>
#include <websocketpp/http/response.hpp>
#include <websocketpp/message_buffer/alloc.hpp>
#include <websocketpp/message_buffer/message.hpp>
#include <websocketpp/processors/hybi13.hpp>
#include <websocketpp/random/none.hpp>
#include <websocketpp/sha1/sha1.hpp>
#include <websocketpp/utf8_validator.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "adapters/http.hpp"

namespace roomcast::adapters::detail {

/// websocketpp keeps the byte order in a static that its first use fills,
/// unguarded; here it is filled before there is a second thread.
inline const bool byte_order_known = (websocketpp::lib::net::_htonll(0), true);

/// The bytes of a text that are ASCII up to the first that is not, eight looked
/// at together.
[[nodiscard]] inline std::size_t ascii_bytes(std::string_view text) noexcept {
    std::size_t size = 0;
    for (std::uint64_t eight = 0; text.size() - size >= sizeof eight; size += sizeof eight) {
        std::memcpy(&eight, text.data() + size, sizeof eight);
        if (eight & 0x8080808080808080u) break;
    }
    while (size < text.size() && static_cast<unsigned char>(text[size]) < 0x80) ++size;
    return size;
}

/// Base64 of 16 bytes, which is what a handshake's key is.
[[nodiscard]] inline bool is_handshake_key(std::string_view key) noexcept {
    constexpr std::size_t digits = 22;
    return key.size() == digits + 2 && key.ends_with("==") &&
           key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") == digits;
}

/// Knows a handshake as RFC 6455, section 4.2.1, wants it, and no older draft's:
/// those know neither a size limit nor a UTF-8 check. Whatever is none is plain
/// HTTP.
struct Request : websocketpp::http::parser::request {
    bool is_handshake = false;
    /// A handshake but for its key.
    bool bad_key = false;

    /// Looked for from the first to the last: they are few, and hardly two
    /// names have one length. websocketpp's own folds the case of each letter
    /// of several with a call to the C library.
    [[nodiscard]] const std::string& get_header(std::string_view wanted) const {
        static const std::string none;
        for (const auto& [name, value] : get_headers())
            if (equal_ignoring_case(name, wanted)) return value;
        return none;
    }

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

    /// The answer to a handshake that is granted; with `subprotocol` when it
    /// was offered.
    [[nodiscard]] std::string agreement(const std::string& subprotocol) const {
        const std::string key = get_header("Sec-WebSocket-Key") + websocketpp::processor::constants::handshake_guid;
        unsigned char digest[20];
        websocketpp::sha1::calc(key.data(), key.size(), digest);
        std::string text = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
        text += websocketpp::base64_encode(digest, sizeof digest);
        websocketpp::http::parameter_list offered;
        parse_parameter_list(get_header("Sec-WebSocket-Protocol"), offered);
        if (!subprotocol.empty() && std::any_of(offered.begin(), offered.end(), [&](const auto& protocol) {
                return protocol.first == subprotocol;
            }))
            (text += "\r\nSec-WebSocket-Protocol: ") += subprotocol;
        return text += "\r\nUpgrade: websocket\r\n\r\n";
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
                           contains_ignoring_case(get_header("Upgrade"), "websocket") &&
                           contains_ignoring_case(get_header("Connection"), "upgrade");
        bad_key = asked && !is_handshake_key(get_header("Sec-WebSocket-Key"));
        is_handshake = asked && !bad_key && get_method() == "GET";
    }
};

struct Response : websocketpp::http::parser::response {
    /// On the wire: whatever does not upgrade is the last on its connection.
    [[nodiscard]] std::string last() {
        replace_header("Connection", "close");
        const auto add = [&](const std::string& name, std::string_view value) {
            if (get_header(name).empty()) replace_header(name, std::string(value));
        };
        add("Content-Length", "0");
        for (const auto& [name, value] : default_headers) add(std::string(name), value);
        set_version("HTTP/1.1");
        return raw();
    }
};

/// No extension: what websocketpp is here for is the head of a request, the
/// handshake, frames, masks, UTF-8 and close codes.
struct Config {
    using request_type = Request;
    using response_type = Response;
    using message_type = websocketpp::message_buffer::message<websocketpp::message_buffer::alloc::con_msg_manager>;
    using con_msg_manager_type = websocketpp::message_buffer::alloc::con_msg_manager<message_type>;
    using rng_type = websocketpp::random::none::int_generator<std::uint32_t>;
    using permessage_deflate_type = websocketpp::extensions::permessage_deflate::disabled<Config>;

    static const bool enable_extensions = false;
    static const std::size_t max_message_size = 16 * 1024;
};

/// The frames of one session.
struct Processor : websocketpp::processor::hybi13<Config> {
    using hybi13::hybi13;

    /// It adds a frame's length to what it has of the message before it looks
    /// whether that is too much, and the sum may come out small again.
    [[nodiscard]] bool too_large() const noexcept {
        return m_data_msg.msg_ptr && m_data_msg.msg_ptr->get_payload().size() > m_max_message_size;
    }
};

}  // namespace roomcast::adapters::detail

/// What is ASCII needs no look at the state, and most of what is said is that.
template <>
inline bool websocketpp::utf8_validator::validator::decode(std::string::iterator begin, std::string::iterator end) {
    if (complete()) begin += static_cast<std::ptrdiff_t>(roomcast::adapters::detail::ascii_bytes({begin, end}));
    return std::all_of(begin, end, [this](char c) { return consume(static_cast<std::uint8_t>(c)); });
}
