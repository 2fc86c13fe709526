// SPDX-License-Identifier: Apache-2.0
// escape.h - bytes, a path's for instance, as ASCII text and back: what is no printable ASCII, and '%', becomes %XX.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace stasis {

std::string escape(std::string_view bytes);
// corrupt: escape() never wrote this.
Result<std::string> unescape(std::string_view text);

}  // namespace stasis
