// SPDX-License-Identifier: Apache-2.0
// criu_advice.h - what criu's error lines mean to the people whose job it is.
#pragma once

#include <string_view>

namespace stasis {

// A sentence about what the line means and what can be done; empty: it is not one of those that are known.
std::string_view advice_for_criu_error(std::string_view line) noexcept;

}  // namespace stasis
