// SPDX-License-Identifier: Apache-2.0
// error.h - why something did not work: a kind for the caller to branch on, and a sentence for people.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace stasis {

// A kind exists only where a caller does something different for it; `failed` is everything else. The names appear
// in messages between our programs, so they keep their meaning.
enum class ErrorKind {
  failed,       // the rest: the message is all there is to know
  not_found,    // it is not there, and may never have been
  busy,         // not now: trying again later makes sense
  corrupt,      // damaged or not authentic: fall back to something older
  unsupported,  // can never work for this job or on this machine: say so, do not retry
  lost,         // it ended in a state nobody can vouch for: start over from the last known good one
  no_space,     // disk or quota is full
  timed_out,    // the deadline passed first
  denied,       // the caller may not do this
};

const char* to_string(ErrorKind kind) noexcept;

// One cause, worded bottom up: each layer that adds something a person needs to know puts one clause in front.
//
//   resume job 812: restore: open /scratch/stasis/...: No such file or directory
struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string message;

  // Puts "clause: " in front of the message.
  Error context(std::string_view clause) &&;
  Error context(std::string_view clause) const&;

  friend bool operator==(const Error&, const Error&) = default;
};

// "open /x: No such file or directory", of the kind that fits the number: ENOENT is not_found, ENOSPC no_space, ...
Error errno_error(std::string_view what, int error_number);

}  // namespace stasis
