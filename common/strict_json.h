// SPDX-License-Identifier: Apache-2.0
// strict_json.h - what nlohmann-json leaves open when it reads: a fraction, or a number that does not fit, it converts
// without a word, or with undefined behaviour.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "common/result.h"

namespace stasis {

// The number, if it is a whole one that fits. Throws what read_json() catches.
template <class Number>
Number whole_number(const nlohmann::json& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (std::in_range<Number>(value)) return static_cast<Number>(value);
  } else if (json.is_number_integer()) {
    const auto value = json.get<std::int64_t>();
    if (std::in_range<Number>(value)) return static_cast<Number>(value);
  }
  throw std::range_error("not a whole number that fits: " + json.dump());
}

// The member of that name, or `otherwise`.
template <class Number>
Number whole_number(const nlohmann::json& object, const char* name, Number otherwise) {
  const auto found = object.find(name);
  return found == object.end() ? otherwise : whole_number<Number>(*found);
}

// What `read` makes of the JSON in `text`, which any bytes may be. corrupt: they are no JSON, or `read` found a member
// missing or of another type. `what` begins the message.
template <class Read>
auto read_json(const char* what, std::string_view text, Read read) -> decltype(read(nlohmann::json())) {
  try {
    return read(nlohmann::json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorKind::corrupt, std::string(what) + ": " + error.what());
  } catch (const std::range_error& error) {
    return fail(ErrorKind::corrupt, std::string(what) + ": " + error.what());
  }
}

}  // namespace stasis
