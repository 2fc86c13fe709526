// SPDX-License-Identifier: Apache-2.0
// view.h - how an answer is shown: for programs as one JSON document (docs/formats/cli.md), for people as text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace stasis {

using Json = nlohmann::ordered_json;

struct View {
  bool json = false;
};

// What could not be answered here and who could, one sentence each. Text has them on stderr, JSON under "notes".
using Notes = std::vector<std::string>;

// Prints the document, with "format" in front and the notes at its end. Bytes that are no UTF-8 become U+FFFD.
void print_json(const Json& document, const Notes& notes);
void print_notes(const Notes& notes);

// null where there is none.
Json time_or_null(std::int64_t time);

}  // namespace stasis
