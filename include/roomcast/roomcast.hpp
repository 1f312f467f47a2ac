// SPDX-License-Identifier: MIT
#pragma once

/// Rooms for realtime servers: everything that a host needs. See
/// RoomRegistry; `shared_registry.hpp` and `testing/` are included apart.
#include "roomcast/cork.hpp"
#include "roomcast/mutex.hpp"
#include "roomcast/registry.hpp"
#include "roomcast/room.hpp"
