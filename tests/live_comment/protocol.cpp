// SPDX-License-Identifier: MIT
#include "live_comment/protocol.hpp"

#include <string>
#include <string_view>
#include <variant>

#include "support/catch.hpp"

using namespace live_comment;

namespace {

Refused refused(std::string_view text) {
    auto parsed = parse(text);
    INFO(text);
    REQUIRE(std::holds_alternative<Refused>(parsed));
    return std::get<Refused>(parsed);
}

template <class What>
What read(std::string_view text) {
    auto parsed = parse(text);
    INFO(text);
    REQUIRE(std::holds_alternative<Request>(parsed));
    auto& request = std::get<Request>(parsed);
    REQUIRE(std::holds_alternative<What>(request.what));
    return std::get<What>(request.what);
}

std::string comment(const std::string& fields) { return R"({"event":"comment",)" + fields + "}"; }

}  // namespace

TEST_CASE("a join says its defaults") {
    const auto join = read<JoinRequest>(R"({"event":"join","room":"r","user":"u","unknown":[1]})");
    CHECK(join.room == "r");
    CHECK(join.user == "u");
    CHECK_FALSE(join.name);
    CHECK_FALSE(join.since);
    CHECK(join.history == 50);
    CHECK_FALSE(join.resume);
}

TEST_CASE("a join may ask for what it missed") {
    const auto join = read<JoinRequest>(
        R"({"event":"join","room":"r","since":{"epoch":"00ff","seq":9007199254740992},"history":200,"resume":true})");
    REQUIRE(join.since);
    CHECK(join.since->epoch == "00ff");
    CHECK(join.since->seq == 9007199254740992u);
    CHECK(join.history == 200);
    CHECK(join.resume);
}

TEST_CASE("fields of a wrong type, range or length are told by name") {
    const auto [field, text] = GENERATE(table<std::string, std::string>(
        {{"room", R"({"event":"join"})"},
         {"room", R"({"event":"join","room":null})"},
         {"room", R"({"event":"join","room":" r"})"},
         {"room", R"({"event":"leave","room":1})"},
         {"user", R"({"event":"join","room":"r","user":""})"},
         {"user", R"({"event":"join","room":"r","user":null})"},
         {"user", R"({"event":"kick"})"},
         {"name", R"({"event":"join","room":"r","name":"a\u202eb"})"},
         {"device", R"({"event":"join","room":"r","device":7})"},
         {"since", R"({"event":"join","room":"r","since":5})"},
         {"since", R"({"event":"join","room":"r","since":{"epoch":"x"}})"},
         {"since", R"({"event":"join","room":"r","since":{"epoch":"x","seq":-1}})"},
         {"since", R"({"event":"join","room":"r","since":{"epoch":"x","seq":9007199254740993}})"},
         {"history", R"({"event":"join","room":"r","history":201})"},
         {"history", R"({"event":"join","room":"r","history":-1})"},
         {"history", R"({"event":"join","room":"r","history":1.0})"},
         {"history", R"({"event":"join","room":"r","history":1e2})"},
         {"history", R"({"event":"join","room":"r","history":"1"})"},
         {"history", R"({"event":"join","room":"r","history":null})"},
         {"resume", R"({"event":"join","room":"r","resume":1})"},
         {"replaces", R"({"event":"join","room":"r","replaces":1})"},
         {"id", R"({"event":"ping","id":""})"},
         {"id", R"({"event":"ping","id":7})"},
         {"text", R"({"event":"comment"})"},
         {"text", R"({"event":"comment","text":""})"},
         {"text", R"({"event":"comment","text":" \n\u200b"})"},
         {"text", R"({"event":"comment","text":["x"]})"},
         {"color", R"({"event":"comment","text":"x","color":"red"})"},
         {"color", R"({"event":"comment","text":"x","color":"#12345g"})"},
         {"mode", R"({"event":"comment","text":"x","mode":"left"})"},
         {"text", R"({"event":"comment","text":"\ud800"})"},
         {"x", R"({"event":"comment","text":"y","x":{"a":"\udc00"}})"}}));
    INFO(text);
    const auto error = refused(text);
    CHECK(error.code == "bad_field");
    CHECK(error.field == field);
}

TEST_CASE("lengths are in bytes, and their bounds belong to them") {
    const auto join = [](std::size_t room, std::size_t name, std::size_t device) {
        return R"({"event":"join","room":")" + std::string(room, 'r') + R"(","name":")" + std::string(name, 'n') +
               R"(","device":")" + std::string(device, 'd') + R"("})";
    };
    read<JoinRequest>(join(128, 64, 64));
    CHECK(refused(join(129, 64, 64)).field == "room");
    CHECK(refused(join(128, 65, 64)).field == "name");
    CHECK(refused(join(128, 64, 65)).field == "device");
    const auto kick = [](std::size_t reason) {
        return R"({"event":"kick","user":"u","reason":")" + std::string(reason, 'x') + R"("})";
    };
    CHECK(read<KickRequest>(kick(120)).reason.size() == 120);
    CHECK(refused(kick(121)).field == "reason");
    CHECK(refused(R"({"event":"ping","id":")" + std::string(65, 'i') + R"("})").field == "id");
}

TEST_CASE("text is counted in code points, after it was made plain") {
    std::string wide;
    for (int i = 0; i < 500; ++i) wide += "\xF0\x9F\x98\x80";
    CHECK(read<CommentRequest>(comment(R"("text":")" + wide + R"(")")).text == wide);
    CHECK(read<CommentRequest>(comment(R"("text":" \t)" + wide + R"(\u200b ")")).text == wide);
    const auto error = refused(comment(R"("text":")" + wide + R"(x","id":"7")"));
    CHECK(error.code == "too_large");
    CHECK(error.id == "7");
    CHECK(error.of == "comment");
}

TEST_CASE("a comment has a colour and a mode") {
    const auto plain = read<CommentRequest>(comment(R"("text":"a\r\nb")"));
    CHECK(plain.text == "a b");
    CHECK(plain.mode == "scroll");
    CHECK(plain.color.empty());
    const auto full = read<CommentRequest>(comment(R"("text":"x","color":"#Ff8000","mode":"bottom","room":"r")"));
    CHECK(full.color == "#Ff8000");
    CHECK(full.mode == "bottom");
    CHECK(full.room == "r");
}

TEST_CASE("a gift and likes are one where nothing else is said, and have bounds") {
    const auto gift = read<GiftRequest>(R"({"event":"gift","gift":"rose","room":"r"})");
    CHECK(gift.gift == "rose");
    CHECK(gift.count == 1);
    CHECK(gift.room == "r");
    CHECK(read<GiftRequest>(R"({"event":"gift","gift":"rose","count":9999})").count == 9'999);
    CHECK(read<LikeRequest>(R"({"event":"like"})").count == 1);
    CHECK(read<LikeRequest>(R"({"event":"like","count":100,"room":"r"})").room == "r");
    for (const char* text : {R"({"event":"gift","gift":"rose","count":10000})",
                             R"({"event":"gift","gift":"rose","count":0})", R"({"event":"like","count":101})",
                             R"({"event":"like","count":0})", R"({"event":"like","count":"1"})"})
        CHECK(refused(text).field == "count");
    for (const char* text : {R"({"event":"gift"})", R"({"event":"gift","gift":""})", R"({"event":"gift","gift":7})",
                             R"({"event":"gift","gift":" rose"})"})
        CHECK(refused(text).field == "gift");
}

TEST_CASE("what is deleted has a number") {
    CHECK(read<DeleteRequest>(R"({"event":"delete","seq":9007199254740992})").seq == 9007199254740992u);
    for (const char* text : {R"({"event":"delete"})", R"({"event":"delete","seq":0})", R"({"event":"delete","seq":-1})",
                             R"({"event":"delete","seq":1.0})", R"({"event":"delete","seq":9007199254740993})"})
        CHECK(refused(text).field == "seq");
}

TEST_CASE("what is unknown or missing is no event") {
    CHECK(refused(R"({"event":"dance","id":"1","room":"r"})").code == "bad_event");
    CHECK(refused(R"({"event":"dance","id":"1","room":"r"})").id == "1");
    CHECK(refused(R"({"event":"dance"})").of == "dance");
    CHECK(refused(R"({})").code == "bad_event");
    CHECK(refused(R"({"event":5})").code == "bad_event");
    CHECK(refused("[]").code == "bad_json");
}

TEST_CASE("an error repeats only what was valid") {
    const auto error = refused(R"({"event":"comment","text":5,"id":"\ud800","room":"r "})");
    CHECK(error.of == "comment");
    CHECK(error.id.empty());
    CHECK(error.room.empty());
    CHECK(refused(R"({"event":"comment","text":5,"id":"a","room":"r"})").room == "r");
}

TEST_CASE("a lone surrogate in a field's own name is bad_field, and names none") {
    const auto outer = refused(R"({"event":"ping","id":"1","\ud800":1})");
    CHECK(outer.code == "bad_field");
    CHECK(outer.field.empty());
    CHECK(outer.of == "ping");
    CHECK(outer.id == "1");
    CHECK(refused(R"({"event":"ping","x":{"\udfff":1}})").field == "x");
}

TEST_CASE("a reason is made one plain line") {
    CHECK(read<KickRequest>(R"({"event":"kick","user":"u","reason":" a\nb\u202e "})").reason == "a b");
}
