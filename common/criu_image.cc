// SPDX-License-Identifier: Apache-2.0
#include "common/criu_image.h"

#include <cstring>

namespace stasis {
namespace {

// Of all images that hold a job's state, since CRIU 2.0.
constexpr std::uint32_t kCommonMagic = 0x54564319;
// Of those about the dump itself.
constexpr std::uint32_t kServiceMagic = 0x55105940;

// Words are as this machine has them: a restore on another kind of machine is none.
bool take(std::string_view& bytes, std::uint32_t& word) {
  if (bytes.size() < sizeof word) return false;
  std::memcpy(&word, bytes.data(), sizeof word);
  bytes.remove_prefix(sizeof word);
  return true;
}

void put(std::string& bytes, std::uint32_t word) { bytes.append(reinterpret_cast<const char*>(&word), sizeof word); }

}  // namespace

Result<std::vector<std::string>> read_criu_image(std::string_view image, std::uint32_t magic) {
  std::uint32_t common = 0, kind = 0;
  if (!take(image, common) || !take(image, kind) || (common != kCommonMagic && common != kServiceMagic) ||
      kind != magic) {
    return fail(ErrorKind::corrupt, "not the kind of image that it should be");
  }
  std::vector<std::string> entries;
  for (std::uint32_t size = 0; !image.empty();) {
    if (!take(image, size) || size > image.size()) return fail(ErrorKind::corrupt, "an image that is cut off");
    entries.emplace_back(image.substr(0, size));
    image.remove_prefix(size);
  }
  return entries;
}

std::string write_criu_image(const std::vector<std::string>& entries, std::uint32_t magic) {
  std::string bytes;
  put(bytes, kCommonMagic);
  put(bytes, magic);
  for (const auto& entry : entries) {
    put(bytes, static_cast<std::uint32_t>(entry.size()));
    bytes += entry;
  }
  return bytes;
}

}  // namespace stasis
