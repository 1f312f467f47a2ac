// SPDX-License-Identifier: MIT
#pragma once

// Defined where AddressSanitizer is at work; GCC and Clang say it differently.
#if defined(__SANITIZE_ADDRESS__)
#define SIMULATION_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMULATION_ASAN
#endif
#endif
#ifdef SIMULATION_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
