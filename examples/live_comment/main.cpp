// SPDX-License-Identifier: MIT
#include <asio/signal_set.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <string>

#include "options.hpp"
#include "page_assets.hpp"
#include "server.hpp"

namespace {

void start_log(const std::string& level) {
    auto logger = spdlog::stderr_logger_mt("live_comment");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    logger->set_level(spdlog::level::from_str(level == "error" ? "err" : level));
    spdlog::set_default_logger(std::move(logger));
}

void tell_settings(const live_comment::ServerOptions& options, std::size_t max_connections) {
    spdlog::info("at most {} connections{}", max_connections,
                 max_connections < options.max_connections ? ", which is what the file descriptors allow" : "");
    spdlog::info("guest names are {}", options.guest_names_protected
                                           ? "protected: a name in use needs its holder's key"
                                           : "open: anybody may take any name (--guest-names protected)");
    if (!options.limits) spdlog::warn("--limits off: clients may send as much as they like");
    if (!options.on_loopback())
        spdlog::warn("{} is not loopback: anybody who reaches this address can connect", options.bind);
}

}  // namespace

int main(int argc, char** argv) {
    int exit_code = 0;
    const auto options = live_comment::ServerOptions::parse(argc, argv, exit_code);
    if (!options) return exit_code;
    start_log(options->log_level);
    try {
        live_comment::CommentServer server(*options, live_comment::page_assets);
        server.sockets().listen();
        tell_settings(*options, server.sockets().max_connections());

        asio::signal_set signals(server.sockets().context(), SIGINT, SIGTERM);
        std::function<void()> wait_for_signal = [&] {
            signals.async_wait([&](const asio::error_code& error, int) {
                if (error) return;
                server.drain();
                wait_for_signal();
            });
        };
        wait_for_signal();

        const bool is_ipv6 = options->bind.find(':') != std::string::npos;
        std::printf("listening on http://%s%s%s:%u/ (ws /ws)\n", is_ipv6 ? "[" : "", options->bind.c_str(),
                    is_ipv6 ? "]" : "", static_cast<unsigned>(server.sockets().port()));
        std::fflush(stdout);
        server.sockets().run();
        spdlog::info("stopped");
        return 0;
    } catch (const std::exception& error) {
        spdlog::critical("{}", live_comment::log_text(error.what(), 200));
        return 1;
    }
}
