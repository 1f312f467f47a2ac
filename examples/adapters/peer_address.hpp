// SPDX-License-Identifier: MIT
#pragma once

#include <asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace roomcast::adapters {

/// IPv4 in IPv6's clothes (::ffff:a.b.c.d) becomes IPv4.
[[nodiscard]] inline asio::ip::address plain_address(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address;
}

/// As `to_string` writes it, which for IPv4 takes the C library's printf.
[[nodiscard]] inline std::string address_text(const asio::ip::address& address) {
    if (!address.is_v4()) return address.to_string();
    std::string text;
    for (const unsigned byte : address.to_v4().to_bytes()) (text += text.empty() ? "" : ".") += std::to_string(byte);
    return text;
}

/// A block of addresses: "10.0.0.0/8", "fd00::/8", or a single one.
class Network {
public:
    /// Throws std::invalid_argument with a message for a person.
    explicit Network(std::string_view text) {
        const auto slash = text.find('/');
        asio::error_code error;
        network_ = asio::ip::make_address(std::string(text.substr(0, slash)), error);
        const unsigned bits = network_.is_v4() ? 32 : 128;
        prefix_ = bits;
        if (!error && slash != std::string_view::npos) {
            const auto digits = text.substr(slash + 1);
            const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix_);
            if (code != std::errc() || end != digits.data() + digits.size() || prefix_ > bits)
                error = asio::error::invalid_argument;
        }
        if (error) throw std::invalid_argument("not a network (like 10.0.0.0/8): " + std::string(text));
    }

    [[nodiscard]] bool contains(const asio::ip::address& address) const {
        if (address.is_v4() != network_.is_v4()) return false;
        return network_.is_v4() ? same_prefix(address.to_v4().to_bytes(), network_.to_v4().to_bytes())
                                : same_prefix(address.to_v6().to_bytes(), network_.to_v6().to_bytes());
    }

private:
    template <class Bytes>
    bool same_prefix(const Bytes& a, const Bytes& b) const {
        const std::size_t whole = prefix_ / 8;
        if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
        const unsigned rest = prefix_ % 8;
        return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
    }

    asio::ip::address network_;
    unsigned prefix_ = 0;
};

/// Behind trusted proxies, the right-most address of `X-Forwarded-For` that is
/// not one of theirs: what stands left of it was written by strangers. `peer`
/// itself when it is no trusted proxy, or when the list cannot be read.
[[nodiscard]] inline asio::ip::address client_address(const asio::ip::address& peer, std::string_view forwarded,
                                                      const std::vector<Network>& trusted) {
    const auto is_trusted = [&](const asio::ip::address& address) {
        return std::any_of(trusted.begin(), trusted.end(),
                           [&](const Network& network) { return network.contains(address); });
    };
    asio::ip::address client = peer;
    while (is_trusted(client) && !forwarded.empty()) {
        const auto comma = forwarded.rfind(',');
        auto entry = comma == std::string_view::npos ? forwarded : forwarded.substr(comma + 1);
        forwarded = comma == std::string_view::npos ? std::string_view() : forwarded.substr(0, comma);
        while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
        while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
        asio::error_code error;
        const auto named = asio::ip::make_address(std::string(entry), error);
        if (error) break;
        client = plain_address(named);
    }
    return client;
}

/// Counts connections by where they come from: an IPv4 address, or an IPv6
/// /64, which is what one household has. Loopback is exempt.
///
/// Thread safety: all functions may be called concurrently.
class AddressLimit {
public:
    /// At most so many an address; 0: no limit.
    explicit AddressLimit(std::size_t limit) : limit_(limit) {}

    /// One more from there, unless there are enough.
    [[nodiscard]] bool add(const asio::ip::address& address) {
        if (limit_ == 0 || address.is_loopback()) return true;
        const std::lock_guard lock(mutex_);
        auto& count = counts_[key(address)];
        if (count >= limit_) return false;
        ++count;
        return true;
    }

    /// The counterpart of an `add` that succeeded.
    void remove(const asio::ip::address& address) {
        if (limit_ == 0 || address.is_loopback()) return;
        const std::lock_guard lock(mutex_);
        const auto found = counts_.find(key(address));
        if (--found->second == 0) counts_.erase(found);
    }

private:
    static asio::ip::address key(const asio::ip::address& address) {
        if (address.is_v4()) return address;
        auto bytes = address.to_v6().to_bytes();
        std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
        return asio::ip::address_v6(bytes);
    }

    const std::size_t limit_;
    std::mutex mutex_;  // guards counts_
    std::map<asio::ip::address, std::size_t> counts_;
};

}  // namespace roomcast::adapters
