// SPDX-License-Identifier: Apache-2.0
#include "common/size_spec.h"

#include <cmath>
#include <cstdlib>
#include <string>

namespace stasis {

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto refused = [&] {
    return fail(ErrorKind::failed,
                "must be a size with its unit such as 512MiB or 20GiB, and '" + std::string(text) + "' is none");
  };
  if (text == "0") return std::uint64_t{0};
  const auto digits = text.find_first_not_of("0123456789.");
  if (digits == 0 || digits == std::string_view::npos) return refused();
  const std::string number(text.substr(0, digits));
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  std::string_view unit = text.substr(digits);
  const auto power = std::string_view("KMGTP").find(unit.front());
  unit.remove_prefix(1);
  const bool known = unit.empty() || unit == "iB";
  if (*end != '\0' || power == std::string_view::npos || !known) return refused();
  const double bytes = std::ldexp(value, static_cast<int>(10 * (power + 1)));
  // Beyond, it would be no number of bytes any file system has.
  if (!(bytes < std::ldexp(1.0, 62))) return refused();
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace stasis
