// SPDX-License-Identifier: Apache-2.0
// time_spec.h - the interval between checkpoints, as people write it.
//
//   45           minutes                       30s 45m 2h 1d   one unit
//   45:00        minutes:seconds               1h30m           several, largest first: as format_time() prints
//   0:45:00      hours:minutes:seconds         off             no checkpoints
//   1-12         days-hours                    auto            as often as it is best (auto_interval.h)
//   0-0:45       days-hours:minutes
//   0-0:45:00    days-hours:minutes:seconds
//
// As in Slurm, a number may exceed its unit: 90:00 is an hour and a half. Not Slurm's: zero and UNLIMITED, which
// make no sense as an interval.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.h"

namespace stasis {

// Longer is a slip of the pen, and every sum with it stays far from overflow.
inline constexpr std::chrono::seconds kLongestInterval = std::chrono::hours(24 * 365);

struct TimeSpec {
  enum class Kind { every, off, automatic };

  Kind kind = Kind::off;
  std::chrono::seconds every{0};  // > 0 if and only if kind is `every`

  friend bool operator==(const TimeSpec&, const TimeSpec&) = default;
};

// On failure the message is a whole sentence for the user, which shows what is allowed.
Result<TimeSpec> parse_time_spec(std::string_view text);

// "45m", "1h30m", "1d", "0s": every unit that is not zero, largest first.
std::string format_time(std::chrono::seconds time);

}  // namespace stasis
