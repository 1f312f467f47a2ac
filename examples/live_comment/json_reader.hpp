// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "text.hpp"

namespace live_comment {

/// A frame's object, read strictly.
struct JsonObject {
    nlohmann::json fields;
    /// The fields of the outermost object that hold a string with a lone
    /// surrogate; empty for one whose name does.
    std::vector<std::string> lone_surrogates;

    [[nodiscard]] bool has_lone_surrogate(std::string_view field) const {
        return std::find(lone_surrogates.begin(), lone_surrogates.end(), field) != lone_surrogates.end();
    }
};

/// The outermost object is depth 1.
inline constexpr int max_json_depth = 8;

namespace detail {

/// What has to be known, or put right, before the parser sees the text: it
/// would dive into any depth, refuse the whole text for a lone surrogate, and
/// for a number that no double holds. And it looks at each byte of a text a
/// dozen times: of a long one without escapes it gets an empty one.
class JsonScan {
public:
    explicit JsonScan(std::string_view raw) : raw_(raw) {
        text_.reserve(raw.size());
        int depth = 0;
        while (at_ < raw.size() && !too_deep_) {
            const char c = raw[at_];
            if (c == '"') {
                string();
            } else if (c == '-' || (c >= '0' && c <= '9')) {
                number();
            } else {
                if (c == '{' || c == '[') too_deep_ = ++depth > max_json_depth;
                else if (c == '}' || c == ']') --depth;
                ++at_;
            }
        }
        take_up_to(raw.size());
    }

    [[nodiscard]] bool too_deep() const noexcept { return too_deep_; }
    /// The text with each lone surrogate replaced by a private character, each
    /// number that cannot be one of the protocol's by 0.5, and without what was
    /// lifted out.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// Whether the n-th string of the text (from 0, names included) holds one.
    [[nodiscard]] bool is_lone(std::size_t n) const noexcept {
        return std::binary_search(lone_.begin(), lone_.end(), n);
    }

    /// What was lifted out of the n-th string; null: nothing.
    [[nodiscard]] std::string* lifted(std::size_t n) noexcept {
        const auto found = std::lower_bound(lifted_.begin(), lifted_.end(), n,
                                            [](const auto& lifted, std::size_t wanted) { return lifted.first < wanted; });
        return found != lifted_.end() && found->first == n ? &found->second : nullptr;
    }

private:
    void string() {
        const std::size_t number = strings_++;
        if (lift(number)) return;
        for (++at_; at_ < raw_.size() && raw_[at_] != '"'; ++at_) {
            if (raw_[at_] != '\\') continue;
            const auto unit = escaped_unit(at_);
            if (!unit || *unit < 0xD800 || *unit > 0xDFFF) {
                ++at_;  // whatever is escaped, it ends no string
                continue;
            }
            const auto next = escaped_unit(at_ + 6);
            if (*unit < 0xDC00 && next && *next >= 0xDC00 && *next <= 0xDFFF) {
                at_ += 11;
                continue;
            }
            take_up_to(at_ + 2);
            text_ += 'e';  // U+D800 to U+DFFF become U+E000 to U+E7FF
            text_ += static_cast<char>('0' + ((*unit >> 8) & 7));
            taken_ = at_ + 4;
            if (lone_.empty() || lone_.back() != number) lone_.push_back(number);
            at_ += 5;
        }
        ++at_;
    }

    /// What has escapes, or anything that a string must not hold, is the parser's.
    bool lift(std::size_t number) {
        constexpr std::size_t long_enough = 16;
        const std::string_view rest = raw_.substr(at_ + 1);
        std::size_t size = 0;
        for (CodePoint c; size != rest.size() && rest[size] != '"'; size += c.size) {
            c = first_code_point(rest.substr(size));
            if (c.size == 0 || c.value < 0x20 || c.value == '\\') return false;
        }
        if (size == rest.size() || size < long_enough) return false;
        lifted_.emplace_back(number, rest.substr(0, size));
        take_up_to(at_ + 1);
        taken_ = at_ + 1 + size;
        at_ = taken_ + 1;
        return true;
    }

    [[nodiscard]] std::optional<unsigned> escaped_unit(std::size_t at) const noexcept {
        if (at + 6 > raw_.size() || raw_[at] != '\\' || raw_[at + 1] != 'u') return std::nullopt;
        unsigned unit = 0;
        for (std::size_t i = at + 2; i < at + 6; ++i) {
            const char c = raw_[i];
            unit *= 16;
            if (c >= '0' && c <= '9') unit += static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f') unit += static_cast<unsigned>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F') unit += static_cast<unsigned>(c - 'A' + 10);
            else return std::nullopt;
        }
        return unit;
    }

    /// Takes all that a number is made of, as the parser does: what is none as
    /// a whole stays as it is, for the parser to refuse.
    void number() {
        const std::size_t from = at_;
        at_ = std::min(raw_.find_first_not_of("+-.0123456789Ee", from), raw_.size());
        auto rest = raw_.substr(from, at_ - from);
        const auto digits = [&] {
            const std::size_t count = std::min(rest.find_first_not_of("0123456789"), rest.size());
            rest.remove_prefix(count);
            return count;
        };
        const auto skip = [&](std::string_view any) {
            if (rest.empty() || any.find(rest[0]) == std::string_view::npos) return false;
            rest.remove_prefix(1);
            return true;
        };
        skip("-");
        const bool zero = rest.starts_with('0');
        const std::size_t whole = digits();
        bool valid = whole != 0 && !(zero && whole > 1), integer = true;
        if (skip(".")) {
            integer = false;
            valid = digits() != 0 && valid;
        }
        if (skip("eE")) {
            integer = false;
            skip("+-");
            valid = digits() != 0 && valid;
        }
        if (!valid || !rest.empty() || (integer && whole <= 18)) return;
        take_up_to(from);
        text_ += "0.5";
        taken_ = at_;
    }

    /// As it is, from where this ended last.
    void take_up_to(std::size_t end) {
        text_ += raw_.substr(taken_, end - taken_);
        taken_ = end;
    }

    const std::string_view raw_;
    std::string text_;
    std::size_t at_ = 0;     // of raw_
    std::size_t taken_ = 0;  // so much of it is in text_, or is not to be
    std::size_t strings_ = 0;
    std::vector<std::size_t> lone_;
    std::vector<std::pair<std::size_t, std::string>> lifted_;
    bool too_deep_ = false;
};

/// Builds the object; stops at a name that stands twice in one object.
class JsonBuilder {
public:
    using json = nlohmann::json;

    explicit JsonBuilder(JsonScan& scan) : scan_(scan) {}

    bool null() { return put(nullptr); }
    bool boolean(bool value) { return put(value); }
    bool number_integer(json::number_integer_t value) { return put(value); }
    bool number_unsigned(json::number_unsigned_t value) { return put(value); }
    bool number_float(json::number_float_t value, const std::string&) { return put(value); }
    bool string(std::string& value) {
        return put(std::move(next_string(value)));
    }
    bool binary(json::binary_t&) { return false; }
    bool start_object(std::size_t) { return open(json::object()); }
    bool start_array(std::size_t) { return open(json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }
    bool key(std::string& parsed) {
        const bool outermost = open_.size() == 1;
        if (outermost) field_.clear();
        std::string& name = next_string(parsed);
        if (open_.back()->contains(name)) return false;
        if (outermost) field_ = name;
        name_ = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }

    [[nodiscard]] JsonObject take() { return {std::move(root_), std::move(lone_)}; }

private:
    template <class Value>
    bool put(Value&& value) {
        place(json(std::forward<Value>(value)));
        return true;
    }
    bool open(json&& container) {
        open_.push_back(place(std::move(container)));
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }
    json* place(json&& value) {
        if (open_.empty()) return &(root_ = std::move(value));
        json& parent = *open_.back();
        if (parent.is_object()) return &(parent[name_] = std::move(value));
        parent.push_back(std::move(value));
        return &parent.back();
    }
    std::string& next_string(std::string& parsed) {
        const std::size_t number = strings_++;
        if (scan_.is_lone(number)) lone_.push_back(field_);
        std::string* const lifted = scan_.lifted(number);
        return lifted ? *lifted : parsed;
    }

    JsonScan& scan_;
    json root_;
    std::vector<json*> open_;
    std::string name_;   ///< of the value that comes next in an object
    std::string field_;  ///< of the outermost object
    std::size_t strings_ = 0;
    std::vector<std::string> lone_;
};

}  // namespace detail

/// Reads one frame. Nothing when it is not one JSON object, is deeper than
/// `max_json_depth`, or has a name twice in one object (compared unescaped).
/// Numbers with a fraction or an exponent, and whole ones of more than 18
/// digits, are valid but lose their value: the protocol has none of them.
[[nodiscard]] inline std::optional<JsonObject> read_json(std::string_view text) {
    // The parser would take a NUL byte for the end of the text, and skip a byte
    // order mark, which no sender may write (RFC 8259, section 8.1).
    if (text.find('\0') != std::string_view::npos || text.starts_with("\xEF\xBB\xBF")) return std::nullopt;
    detail::JsonScan scan(text);
    if (scan.too_deep()) return std::nullopt;
    detail::JsonBuilder builder(scan);
    if (!nlohmann::json::sax_parse(scan.text(), &builder)) return std::nullopt;
    JsonObject object = builder.take();
    if (!object.fields.is_object()) return std::nullopt;
    return object;
}

}  // namespace live_comment
