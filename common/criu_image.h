// SPDX-License-Identifier: Apache-2.0
// criu_image.h - the frame of CRIU's images: two words of magic, then entries, each behind its size. What an entry is
// only its .proto knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace stasis {

// Of the kind "files.img".
inline constexpr std::uint32_t kCriuFilesMagic = 0x56303138;
// Of the kinds "pagemap-PID.img" and "pagemap-shmem-ID.img".
inline constexpr std::uint32_t kCriuPagemapMagic = 0x56084025;
// Of the kind "core-PID.img".
inline constexpr std::uint32_t kCriuCoreMagic = 0x55053847;
// "inventory.img".
inline constexpr std::uint32_t kCriuInventoryMagic = 0x58313116;
// "stats-dump".
inline constexpr std::uint32_t kCriuStatsMagic = 0x57093306;

// corrupt: it is another kind of image, or cut off.
Result<std::vector<std::string>> read_criu_image(std::string_view image, std::uint32_t magic);
std::string write_criu_image(const std::vector<std::string>& entries, std::uint32_t magic);

}  // namespace stasis
