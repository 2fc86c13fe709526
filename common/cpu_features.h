// SPDX-License-Identifier: Apache-2.0
// cpu_features.h - which instructions a node's processors have for programs, beyond those that all have.
//
// A program looks once, when it starts, and goes by it from then on: its C library has chosen its memcpy. Where one of
// them is missing it dies, at once or in ten hours.
#pragma once

#include <string>
#include <string_view>

namespace stasis {

// Names as the kernel has them, in order, a space between them: "aes avx avx2". Of the first processor of the text of
// /proc/cpuinfo, which stands for all of them: programs are moved from one to another at any moment.
std::string parse_cpu_features(std::string_view cpuinfo);
// Of this node. Empty: the kernel does not tell.
std::string cpu_features();

// What is in `then` and not in `now`: "avx2, fma". Empty: nothing, or one of them is not known.
std::string missing_features(std::string_view then, std::string_view now);

}  // namespace stasis
