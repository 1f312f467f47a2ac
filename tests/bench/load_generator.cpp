// SPDX-License-Identifier: MIT
// Members of rooms on a live-comment server, in a process of their own: real
// WebSocket frames over one epoll. Prints one line of JSON about what came,
// how late, and what it cost the server. See README.md for the options.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "latencies.hpp"
#include "segments.hpp"
#include "sockets.hpp"
#include "websocket_wire.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

std::int64_t now() { return Nanoseconds(Clock::now().time_since_epoch()).count(); }

constexpr std::int64_t second = 1'000'000'000;

/// What the connections do once all have joined.
enum class Kind {
    comments,  ///< the publishers speak
    idle,      ///< nobody speaks
    visits,    ///< each leaves, closes, connects and joins, again and again
};

struct Plan {
    Kind kind;
    std::uint16_t port;
    int pid;                  ///< the server's; 0: its costs are not known
    std::size_t rooms;
    std::size_t members;      ///< of each room
    std::size_t publishers;   ///< of each room, the first of its members
    double rate;              ///< comments a second of all rooms; 0: closed loop
    std::int64_t length;      ///< of the measurement
    std::int64_t warm_up;
    std::size_t comments;     ///< at most, while measuring; 0: no limit
    std::size_t text_bytes;
};

/// CPU seconds, user and system, of a process or of one thread.
double cpu_of(const std::string& folder) {
    std::string text;
    std::getline(std::ifstream(folder + "/stat"), text);
    // The second field, the program's name, may hold anything, ')' too.
    std::istringstream fields(text.substr(std::min(text.rfind(')') + 2, text.size())));
    std::string skipped;
    for (int i = 3; i < 14; ++i) fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / double(::sysconf(_SC_CLK_TCK));
}

/// What a process has used and holds.
struct Usage {
    double cpu = 0;                         ///< seconds
    std::map<std::string, double> threads;  ///< the same of each
    double resident = 0;                    ///< KiB

    static Usage of(int pid) {
        Usage usage;
        if (pid == 0) return usage;
        const std::string folder = "/proc/" + std::to_string(pid);
        usage.cpu = cpu_of(folder);
        std::error_code gone;
        for (const auto& thread : std::filesystem::directory_iterator(folder + "/task", gone))
            usage.threads[thread.path().filename()] = cpu_of(thread.path());
        std::string text;
        std::ifstream status(folder + "/status");
        while (std::getline(status, text))
            if (text.rfind("VmRSS:", 0) == 0) usage.resident = std::strtod(text.c_str() + 6, nullptr);
        return usage;
    }

    /// The part of the CPU time since `start` that the busiest thread had.
    double busiest_since(const Usage& start) const {
        double most = 0;
        for (const auto& [thread, used] : threads) {
            const auto before = start.threads.find(thread);
            most = std::max(most, used - (before == start.threads.end() ? 0 : before->second));
        }
        return most / std::max(cpu - start.cpu, 0.001);
    }
};

/// Which of one publisher's comments one member has had. Numbers begin with 1.
struct Progress {
    std::uint32_t last = 0;
    std::uint64_t before = 0;  ///< bit n: had the comment `last - 1 - n`
};

struct Tally {
    std::uint64_t deliveries = 0;
    std::uint64_t lost = 0;
    std::uint64_t doubled = 0;
    std::uint64_t disordered = 0;

    void note(Progress& progress, std::uint32_t number) {
        if (number > progress.last) {
            const std::uint32_t step = number - progress.last;
            progress.before = step < 64 ? progress.before << step : 0;
            if (step <= 64 && progress.last != 0) progress.before |= std::uint64_t(1) << (step - 1);
            progress.last = number;
            lost += step - 1;
            ++deliveries;
            return;
        }
        const std::uint32_t back = progress.last - number;
        const std::uint64_t bit = back == 0 || back > 64 ? 0 : std::uint64_t(1) << (back - 1);
        if (back == 0 || (progress.before & bit) != 0) {
            ++doubled;
            return;
        }
        progress.before |= bit;
        --lost;
        ++disordered;
        ++deliveries;
    }
};

class Load {
public:
    explicit Load(const Plan& plan)
        : plan_(plan), epoll_(::epoll_create1(0)), members_(plan.rooms * plan.members),
          publishers_(plan.rooms * plan.publishers), progress_(members_.size() * plan.publishers),
          filler_(plan.text_bytes, 'x') {
        for (std::size_t i = 0; i < members_.size(); ++i) members_[i].room = i / plan.members;
    }

    int run() {
        const Usage idle = Usage::of(plan_.pid);
        if (!connect_all()) return 1;
        const Usage connected = Usage::of(plan_.pid);

        work_until(now() + plan_.warm_up, 0);
        latencies_ = {};
        reads_ = messages_ = 0;
        const Tally before = tally_;
        const std::uint64_t segments = all_segments();
        const Usage start = Usage::of(plan_.pid);
        const double own_start = Usage::of(::getpid()).cpu;
        const std::int64_t started = now();
        const std::uint64_t done = work_until(started + plan_.length, plan_.comments);
        const std::int64_t ended = plan_.kind == Kind::comments ? last_arrival_ : now();
        const double seconds = double(ended - started) / double(second);
        const Usage end = Usage::of(plan_.pid);
        const double writes = double(all_segments() - segments);
        const double own = Usage::of(::getpid()).cpu - own_start;

        count_missing();
        const auto deliveries = tally_.deliveries - before.deliveries;
        const auto counted = plan_.kind == Kind::visits ? done : deliveries;
        const bool whole = tally_.lost == 0 && tally_.doubled == 0 && tally_.disordered == 0 && one_order() &&
                           closed_ == 0 && joined_ == members_.size() && (counted != 0 || plan_.kind == Kind::idle);
        const double resident = (plan_.kind == Kind::idle ? end : connected).resident - idle.resident;
        const auto number = [](const char* name, double value, int digits = 0) {
            std::printf("\"%s\": %.*f, ", name, digits, value);
        };
        std::printf("{");
        number("rooms", double(plan_.rooms));
        number("members", double(plan_.members));
        number("publishers", double(plan_.publishers));
        number("rate", plan_.rate);
        number("seconds", seconds, 3);
        number("comments", plan_.kind == Kind::comments ? double(done) : 0);
        number("visits", plan_.kind == Kind::visits ? double(done) : 0);
        number("deliveries", double(deliveries));
        number("deliveries_per_s", double(deliveries) / seconds);
        number("lost", double(tally_.lost));
        number("doubled", double(tally_.doubled));
        number("disordered", double(tally_.disordered));
        number("closed", double(closed_));
        number("p50_us", latencies_.quantile(0.5) / 1e3);
        number("p99_us", latencies_.quantile(0.99) / 1e3);
        number("max_us", latencies_.largest() / 1e3);
        number("messages_per_write", double(messages_) / std::max(writes, 1.0), 2);
        number("messages_per_read", double(messages_) / std::max(double(reads_), 1.0), 2);
        number("cpu_s_per_million", counted != 0 ? (end.cpu - start.cpu) * 1e6 / double(counted) : 0, 3);
        number("server_load", (end.cpu - start.cpu) / seconds, 2);
        number("busiest_thread", end.busiest_since(start), 2);
        number("own_load", own / seconds, 2);
        number("kib_per_connection", resident / double(members_.size()), 2);
        std::printf("\"one_order\": %s}\n", one_order() ? "true" : "false");
        return whole ? 0 : 1;
    }

private:
    enum class Stage { upgrading, joining, joined, leaving, closing, closed };

    struct Member {
        int socket = -1;
        Stage stage = Stage::upgrading;
        std::size_t room = 0;
        std::string key;         ///< of the handshake
        std::string in;          ///< the beginning of a message
        std::string out;         ///< what the kernel did not take
        std::uint64_t order = 0; ///< a digest of whose comments came in which order
    };
    struct Publisher {
        std::uint32_t published = 0;
        std::size_t missing = 0;  ///< members who have not had the last one
    };

    // A few at a time, so that no listening queue overflows.
    bool connect_all() {
        const std::int64_t deadline = now() + 60 * second;
        std::size_t begun = 0;
        while (joined_ < members_.size() && closed_ == 0 && now() < deadline) {
            while (begun < members_.size() && begun < joined_ + 64) connect(members_[begun++]);
            receive(100);
        }
        if (joined_ == members_.size() && closed_ == 0) return true;
        std::fprintf(stderr, "only %zu of %zu joined, %zu were closed\n", joined_, members_.size(), closed_);
        return false;
    }

    void connect(Member& member) {
        member.socket = ::socket(AF_INET, SOCK_STREAM, 0);
        const auto address = loopback(plan_.port);
        if (member.socket < 0 ||
            ::connect(member.socket, reinterpret_cast<const ::sockaddr*>(&address), sizeof address) != 0)
            fail("connect");
        send_at_once(member.socket);
        std::array<std::uint8_t, 16> nonce{};
        for (auto& octet : nonce) octet = std::uint8_t(random_());
        member.key = base64(nonce);
        watch(epoll_, EPOLL_CTL_ADD, member.socket, EPOLLIN, &member);
        write(member, "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(plan_.port) +
                          "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: " + member.key + "\r\n\r\n");
    }

    /// What the plan's kind says, until then; returns how much of it was done.
    std::uint64_t work_until(std::int64_t end, std::size_t most) {
        return plan_.kind == Kind::visits ? visit_until(end) : publish_until(end, most);
    }

    /// Whoever has joined leaves, until then, and comes again. Returns how
    /// often that was, when all are there once more or nothing came for 5 s.
    std::uint64_t visit_until(std::int64_t end) {
        const std::uint64_t before = visits_;
        visits_end_ = end;
        for (Member& member : members_)
            if (member.stage == Stage::joined) leave(member);
        while (joined_ < members_.size() && closed_ == 0 && now() < arrived_ + 5 * second) receive(100);
        return visits_ - before;
    }

    void leave(Member& member) {
        member.stage = Stage::leaving;
        --joined_;
        write_frame(member, R"({"event":"leave"})");
    }

    /// The server has closed after our close frame.
    void come_again(Member& member) {
        ::close(member.socket);
        member.stage = Stage::upgrading;
        member.in.clear();
        connect(member);
    }

    /// Publishes until then, or so many comments, then waits until each has
    /// arrived; returns how many. What does not arrive within 5 s is lost.
    std::uint64_t publish_until(std::int64_t end, std::size_t most) {
        std::uint64_t published = 0;
        const std::int64_t start = now();
        const auto planned = [&](std::uint64_t n) {
            return start + std::int64_t(double(n) / plan_.rate * double(second));
        };
        const auto goes_on = [&](std::int64_t at) { return at < end && (most == 0 || published < most); };
        last_arrival_ = start;
        while (closed_ == 0) {
            const std::int64_t time = now();
            int wait = 100;
            if (plan_.rate > 0) {
                while (goes_on(planned(published)) && planned(published) <= time) {
                    publish(published % publishers_.size(), planned(published));
                    ++published;
                }
                if (goes_on(planned(published))) wait = int((planned(published) - time) / 1'000'000);
            } else {
                for (std::size_t i = 0; i < publishers_.size(); ++i) {
                    if (publishers_[i].missing != 0 || !goes_on(time)) continue;
                    publish(i, now());
                    ++published;
                }
            }
            const bool over = plan_.rate > 0 ? !goes_on(planned(published)) : !goes_on(time);
            if (over && under_way_ == 0) break;
            const std::int64_t quiet_since = std::max(last_arrival_, last_published_);
            if (under_way_ != 0 && time > quiet_since + 5 * second) break;
            receive(wait);
        }
        return published;
    }

    void publish(std::size_t index, std::int64_t stamp) {
        Publisher& publisher = publishers_[index];
        ++publisher.published;
        publisher.missing = plan_.members;
        under_way_ += plan_.members;
        last_published_ = now();
        Member& member = members_[index / plan_.publishers * plan_.members + index % plan_.publishers];
        std::string text = "rcb:" + std::to_string(index % plan_.publishers) + ':' +
                           std::to_string(publisher.published) + ':' + std::to_string(stamp) + ':';
        if (text.size() < filler_.size()) text.append(filler_, text.size());
        write_frame(member, R"({"event":"comment","text":")" + text + R"("})");
    }

    void write_frame(Member& member, std::string_view json) {
        write(member, frame_of(Opcode::text, json, mask()));
    }

    std::uint32_t mask() { return std::uint32_t(random_()) | 1; }

    void write(Member& member, std::string_view bytes) {
        if (member.out.empty()) {
            const auto sent = ::send(member.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0) bytes.remove_prefix(std::size_t(sent));
            if (bytes.empty()) return;
            watch(epoll_, EPOLL_CTL_MOD, member.socket, EPOLLIN | EPOLLOUT, &member);
        }
        member.out += bytes;
    }

    void receive(int wait) {
        std::array<::epoll_event, 256> events{};
        const int count = ::epoll_wait(epoll_, events.data(), int(events.size()), wait);
        for (int i = 0; i < count; ++i) {
            Member& member = *static_cast<Member*>(events[std::size_t(i)].data.ptr);
            if ((events[std::size_t(i)].events & EPOLLOUT) != 0) {
                watch(epoll_, EPOLL_CTL_MOD, member.socket, EPOLLIN, &member);
                write(member, std::exchange(member.out, {}));
            }
            if ((events[std::size_t(i)].events & ~std::uint32_t(EPOLLOUT)) != 0) read(member);
        }
    }

    void read(Member& member) {
        const std::size_t kept = member.in.size();
        std::memcpy(buffer_.data(), member.in.data(), kept);
        const auto got = ::recv(member.socket, buffer_.data() + kept, buffer_.size() - kept, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) return;
        if (got == 0 && member.stage == Stage::closing) return come_again(member);
        if (got <= 0) return lose(member);
        arrived_ = now();
        ++reads_;
        std::span<char> bytes(buffer_.data(), kept + std::size_t(got));
        if (member.stage == Stage::upgrading) {
            const std::string_view text(bytes.data(), bytes.size());
            const std::size_t end = text.find("\r\n\r\n");
            if (end != text.npos) {
                upgraded(member, text.substr(0, end));
                bytes = bytes.subspan(end + 4);
            }
        }
        std::size_t taken = 0;
        if (member.stage != Stage::upgrading)
            taken = take_frames(bytes, [&](Opcode opcode, std::string_view payload) {
                if (opcode == Opcode::text) heard(member, payload);
                else if (opcode == Opcode::ping) write(member, frame_of(Opcode::pong, payload, mask()));
                else if (member.stage != Stage::closing) lose(member);
                return member.stage != Stage::closed;
            });
        member.in.assign(bytes.data() + taken, bytes.size() - taken);
    }

    void upgraded(Member& member, std::string_view head) {
        if (head.rfind("HTTP/1.1 101", 0) != 0 ||
            header_of(head, "sec-websocket-accept") != accept_for(member.key)) {
            std::fprintf(stderr, "not upgraded: %.*s\n", int(head.size()), head.data());
            return lose(member);
        }
        member.stage = Stage::joining;
        const auto number = std::to_string(&member - members_.data());
        write_frame(member, R"({"event":"join","room":"bench-)" + std::to_string(member.room) +
                                R"(","user":"member-)" + number + R"(","history":0})");
    }

    void heard(Member& member, std::string_view json) {
        // The stamp stands in the text alone, wherever the server puts that.
        const std::size_t at = json.find("\"rcb:");
        if (at == json.npos) {
            if (member.stage == Stage::joining && json.find("\"joined\"") != json.npos) {
                member.stage = Stage::joined;
                ++joined_;
                if (visits_end_ != 0) ++visits_;
                if (arrived_ < visits_end_) leave(member);
            } else if (member.stage == Stage::leaving && json.find("\"left\"") != json.npos) {
                member.stage = Stage::closing;
                write(member, frame_of(Opcode::close, "\x03\xe8", mask()));
            } else if (json.find("\"error\"") != json.npos || json.find("\"force_disconnect\"") != json.npos) {
                std::fprintf(stderr, "refused: %.*s\n", int(json.size()), json.data());
                lose(member);
            }
            return;
        }
        char* next = const_cast<char*>(json.data()) + at + 5;
        const auto index = std::strtoul(next, &next, 10);
        const auto number = std::uint32_t(std::strtoul(next + 1, &next, 10));
        const auto stamp = std::int64_t(std::strtoll(next + 1, &next, 10));
        if (index >= plan_.publishers) return lose(member);

        ++messages_;
        last_arrival_ = arrived_;
        latencies_.add(arrived_ - stamp);
        member.order = (member.order ^ (index + 1)) * 0x9e3779b97f4a7c15u + number;
        const auto deliveries = tally_.deliveries;
        tally_.note(progress_[std::size_t(&member - members_.data()) * plan_.publishers + index], number);
        if (tally_.deliveries == deliveries) return;
        Publisher& publisher = publishers_[member.room * plan_.publishers + index];
        if (number == publisher.published) --publisher.missing;
        --under_way_;
    }

    void lose(Member& member) {
        if (member.stage == Stage::closed) return;
        member.stage = Stage::closed;
        ++closed_;
        ::close(member.socket);
    }

    /// Comments after the last one that came leave no gap to see.
    void count_missing() {
        for (std::size_t m = 0; m < members_.size(); ++m)
            for (std::size_t p = 0; p < plan_.publishers; ++p)
                tally_.lost += publishers_[members_[m].room * plan_.publishers + p].published -
                               progress_[m * plan_.publishers + p].last;
    }

    std::uint64_t all_segments() const {
        std::uint64_t sum = 0;
        for (const Member& member : members_)
            if (member.stage == Stage::joined) sum += segments_received(member.socket);
        return sum;
    }

    /// All members of a room saw all publishers' comments in one order.
    bool one_order() const {
        return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
            return member.order == members_[member.room * plan_.members].order;
        });
    }

    const Plan plan_;
    const int epoll_;
    std::mt19937_64 random_{20240229};
    std::vector<Member> members_;
    std::vector<Publisher> publishers_;
    std::vector<Progress> progress_;
    const std::string filler_;
    std::vector<char> buffer_ = std::vector<char>(1024 * 1024);

    std::size_t joined_ = 0, closed_ = 0, under_way_ = 0;
    std::uint64_t reads_ = 0, messages_ = 0;
    std::int64_t arrived_ = 0, last_arrival_ = 0, last_published_ = 0;
    std::uint64_t visits_ = 0;
    std::int64_t visits_end_ = 0;  ///< until then whoever joins leaves at once
    Tally tally_;
    Latencies latencies_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    const bench::Arguments arguments(argc, argv, {"port", "pid", "kind", "rooms", "members", "publishers", "rate",
                                                  "seconds", "warm-up-ms", "comments", "text-bytes"});
    bench::Plan plan{};
    plan.port = static_cast<std::uint16_t>(arguments.number("port", 9002));
    plan.pid = static_cast<int>(arguments.number("pid", 0));
    const std::string kind = arguments.text("kind", "comments");
    if (kind != "comments" && kind != "idle" && kind != "visits") {
        std::fprintf(stderr, "--kind takes comments, idle or visits, not %s\n", kind.c_str());
        return 2;
    }
    plan.kind = kind == "idle" ? bench::Kind::idle : kind == "visits" ? bench::Kind::visits : bench::Kind::comments;
    plan.rooms = static_cast<std::size_t>(std::clamp(arguments.number("rooms", 1), 1L, 10'000L));
    plan.members = static_cast<std::size_t>(std::clamp(arguments.number("members", 1'000), 1L, 20'000L));
    plan.publishers = static_cast<std::size_t>(std::clamp(arguments.number("publishers", 1), 1L, 64L));
    plan.publishers = plan.kind == bench::Kind::comments ? std::min(plan.publishers, plan.members) : 0;
    plan.rate = static_cast<double>(arguments.number("rate", 0));
    plan.length = std::clamp(arguments.number("seconds", 5), 1L, 60L) * bench::second;
    plan.warm_up = arguments.number("warm-up-ms", 500) * 1'000'000;
    plan.comments = static_cast<std::size_t>(arguments.number("comments", 0));
    plan.text_bytes = static_cast<std::size_t>(std::clamp(arguments.number("text-bytes", 100), 50L, 500L));
    bench::raise_descriptor_limit();
    return bench::Load(plan).run();
}
