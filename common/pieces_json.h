// SPDX-License-Identifier: Apache-2.0
// pieces_json.h - where contents are, as ledger, file tree and index write it: [[stream, offset, size], ...].
#pragma once

#include "common/file_archive.h"
#include "common/strict_json.h"

namespace stasis {

// Throws what read_json() catches.
inline Pieces pieces_from_json(const nlohmann::json& json) {
  Pieces pieces;
  for (const auto& piece : json) {
    pieces.push_back({whole_number<std::uint32_t>(piece.at(0)), whole_number<std::uint64_t>(piece.at(1)),
                      whole_number<std::uint64_t>(piece.at(2))});
  }
  return pieces;
}

}  // namespace stasis
