// SPDX-License-Identifier: MIT
#pragma once

/// A caller's mistake (never one that a peer or its data can make). Define it
/// before including roomcast to report such mistakes in your own way.
#ifndef ROOMCAST_ASSERT
#include <cassert>
#define ROOMCAST_ASSERT(condition) assert(condition)
#endif

#define ROOMCAST_VERSION_MAJOR 0
#define ROOMCAST_VERSION_MINOR 1
#define ROOMCAST_VERSION_PATCH 0
#define ROOMCAST_VERSION "0.1.0"
