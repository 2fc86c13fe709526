// SPDX-License-Identifier: Apache-2.0
// full_io.h - reads and writes of as many bytes as were asked for, however many calls that takes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/result.h"

namespace stasis {

// `what` is what was to be done, for the message: "write the memory map".
Result<void> write_fully(int fd, const void* data, std::size_t size, const char* what);
Result<void> write_fully_at(int fd, std::uint64_t offset, const void* data, std::size_t size, const char* what);
// corrupt: there are fewer bytes.
Result<void> read_fully(int fd, void* data, std::size_t size, const char* what);
Result<void> read_fully_at(int fd, std::uint64_t offset, void* data, std::size_t size, const char* what);

}  // namespace stasis
