// SPDX-License-Identifier: Apache-2.0
#include "common/time_spec.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

namespace stasis {
namespace {

// Values up to 12 digits, so that no product or sum of the few there are leaves 64 bits.
constexpr std::size_t kMaxDigits = 12;

struct Unit {
  char name;
  std::int64_t seconds;
};
constexpr std::array<Unit, 4> kUnits = {{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};

// Takes the number `text` starts with off its front.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(end - text.data());
  // from_chars also reads a minus sign.
  if (error != std::errc() || digits > kMaxDigits || text.front() == '-') return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

// "1h30m": numbers with units, each unit once, largest first.
std::optional<std::int64_t> parse_units(std::string_view text) {
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number || text.empty()) return std::nullopt;
    while (next_unit < kUnits.size() && kUnits[next_unit].name != text.front()) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    total += *number * kUnits[next_unit++].seconds;
    text.remove_prefix(1);
  }
  return total;
}

// "45", "45:00", "0:45:00": numbers between colons.
std::optional<std::vector<std::int64_t>> parse_colons(std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (;;) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (text.empty()) return numbers;
    if (text.front() != ':' || numbers.size() == 3) return std::nullopt;
    text.remove_prefix(1);
  }
}

// Slurm's forms. What a lone number means depends on whether days stand in front.
std::optional<std::int64_t> parse_slurm(std::string_view text) {
  std::int64_t days = 0;
  const auto dash = text.find('-');
  const bool with_days = dash != std::string_view::npos;
  if (with_days) {
    std::string_view before = text.substr(0, dash);
    const auto number = take_number(before);
    if (!number || !before.empty()) return std::nullopt;
    days = *number;
    text.remove_prefix(dash + 1);
  }
  const auto numbers = parse_colons(text);
  if (!numbers) return std::nullopt;

  // The unit of the first number: d-h, d-h:m, d-h:m:s; m, m:s, h:m:s.
  std::int64_t unit = with_days || numbers->size() == 3 ? 3600 : 60;
  std::int64_t total = days * 86400;
  for (const std::int64_t number : *numbers) {
    total += number * unit;
    unit /= 60;
  }
  return total;
}

Failure refuse(std::string_view text, std::string_view why) {
  return fail(ErrorKind::failed,
              "'" + std::string(text) + "' " + std::string(why) +
                  ": write minutes (45), 45:00, 0:45:00, 0-0:45, 0-0:45:00 or 1-12 as in sbatch --time, "
                  "or 30s, 45m, 2h, 1d, or auto, or off");
}

}  // namespace

Result<TimeSpec> parse_time_spec(std::string_view text) {
  if (text == "off") return TimeSpec{TimeSpec::Kind::off, {}};
  if (text == "auto") return TimeSpec{TimeSpec::Kind::automatic, {}};

  auto total = parse_slurm(text);
  if (!total && !text.empty()) total = parse_units(text);
  if (!total) return refuse(text, "is not a time between checkpoints");
  if (*total == 0) return refuse(text, "is no time at all");
  if (*total > kLongestInterval.count()) return refuse(text, "is more than a year");
  return TimeSpec{TimeSpec::Kind::every, std::chrono::seconds(*total)};
}

std::string format_time(std::chrono::seconds time) {
  std::int64_t left = time.count();
  if (left <= 0) return "0s";
  std::string text;
  for (const Unit& unit : kUnits) {
    if (left >= unit.seconds) {
      text += std::to_string(left / unit.seconds) + unit.name;
      left %= unit.seconds;
    }
  }
  return text;
}

}  // namespace stasis
