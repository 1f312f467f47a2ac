// SPDX-License-Identifier: MIT
#pragma once

/// A caller's mistake (never one that a peer or its data can make). Define it
/// before including roomcast to report such mistakes in your own way.
#ifndef ROOMCAST_ASSERT
#include <cassert>
#define ROOMCAST_ASSERT(condition) assert(condition)
#endif

/// What threads share without the registry's lock, and where its hash keys come
/// from. A simulation of threads defines its own before including roomcast.
#ifndef ROOMCAST_ATOMIC
#define ROOMCAST_ATOMIC std::atomic
#endif
#ifndef ROOMCAST_RANDOM_DEVICE
#define ROOMCAST_RANDOM_DEVICE std::random_device
#endif

/// How much memory a registry takes at a time for records of one type. One
/// record each where a sanitizer is to see what becomes of it.
#ifndef ROOMCAST_SLAB_BYTES
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROOMCAST_SLAB_BYTES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROOMCAST_SLAB_BYTES 1
#endif
#endif
#ifndef ROOMCAST_SLAB_BYTES
#define ROOMCAST_SLAB_BYTES 4096
#endif
#endif

#define ROOMCAST_VERSION_MAJOR 0
#define ROOMCAST_VERSION_MINOR 1
#define ROOMCAST_VERSION_PATCH 0
#define ROOMCAST_VERSION "0.1.0"
