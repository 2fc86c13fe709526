// SPDX-License-Identifier: Apache-2.0
// inspect.h - the files we write, decoded: every field of them. Any bytes may come.
#pragma once

#include <string>
#include <string_view>

#include "cli/view.h"
#include "common/keys.h"
#include "common/result.h"

namespace stasis {

// A file is told by its first bytes.
//
//   {"kind": "manifest", "manifest_format", "key", "authentic": true | false | null, "manifest": {...}}
//   {"kind": "ledger" | "scratch", "ledger" | "scratch": {...}}
//   {"kind": "memory", "memory": {"files": [...], "images": [...]}}
//
// `keys`: nullptr where there are none to check a manifest with, and then "authentic" is null. corrupt: it is damaged,
// or nothing of ours; unsupported: of a format this program does not know.
Result<Json> decode_file(std::string_view bytes, const Keys* keys);

// Members as "name: value" lines, what is inside of them indented.
std::string as_text(const Json& json);

}  // namespace stasis
