// SPDX-License-Identifier: MIT
#include "unit/registry/world.hpp"

template class roomcast::RoomRegistry<roomcast::testing::FakeConnection, unit::WorldTraits>;
template class roomcast::Room<roomcast::testing::FakeConnection, unit::WorldTraits>;

static_assert(!std::is_copy_constructible_v<unit::Registry> && !std::is_move_constructible_v<unit::Registry>);
