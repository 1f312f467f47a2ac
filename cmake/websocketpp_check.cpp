// SPDX-License-Identifier: MIT
#include <websocketpp/config/core.hpp>
#include <websocketpp/server.hpp>

int main() {
    websocketpp::server<websocketpp::config::core> server;
    return server.is_server() ? 0 : 1;
}
