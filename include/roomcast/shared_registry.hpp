// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "roomcast/registry.hpp"

namespace roomcast {

/// For hosts that want exactly one registry for the whole process. The first
/// call makes it, with that call's options; concurrent first calls are safe,
/// and later options are ignored. It lives until the end of the process,
/// after every thread that may still use it.
template <connection Connection, class Traits = DefaultTraits>
RoomRegistry<Connection, Traits>& shared_registry(typename RoomRegistry<Connection, Traits>::Options options = {},
                                                  Policies<Traits> policies = {}) {
    // Never destroyed: threads of the host may outlive static destruction.
    static auto* const registry =
        new RoomRegistry<Connection, Traits>(std::move(options), std::move(policies));
    return *registry;
}

}  // namespace roomcast
