// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <fmt/format.h>

#include <cstdio>

namespace stasis {

void print_json(const Json& document, const Notes& notes) {
  Json whole;
  whole["format"] = 1;
  whole.update(document);
  whole["notes"] = notes;
  fmt::print("{}\n", whole.dump(1, ' ', false, Json::error_handler_t::replace));
}

void print_notes(const Notes& notes) {
  std::fflush(stdout);
  for (const auto& note : notes) fmt::print(stderr, "stasis: {}\n", note);
}

Json time_or_null(std::int64_t time) { return time > 0 ? Json(time) : Json(); }

}  // namespace stasis
