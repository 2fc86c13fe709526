// SPDX-License-Identifier: Apache-2.0
// result.h - a value, or the Error that stood in its way. Nothing of ours throws to report a failure.
//
//   Result<UniqueFd> open_image(const std::string& path) {
//     STASIS_LET(std::string text, read_file(path));              // text, or out of here with the error
//     STASIS_TRY(in_context("image " + path, verify(text)));      // for Result<void>; one clause added
//     if (text.empty()) return fail(ErrorKind::corrupt, path + " is empty");
//     int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
//     if (fd < 0) return fail(errno_error("open " + path, errno));
//     return UniqueFd(fd);
//   }
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "common/error.h"

namespace stasis {

// tl::expected, only that the compiler objects when one is dropped unread. All of it works but and_then(), which
// insists on a bare tl::expected: that is what STASIS_LET is for.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;
  Result() = default;
  // What map() and map_error() give.
  Result(Base base) : Base(std::move(base)) {}
};

// What a function that returns any Result may return when it failed.
using Failure = tl::unexpected<Error>;

inline Failure fail(Error error) { return Failure(std::move(error)); }
inline Failure fail(ErrorKind kind, std::string message) { return Failure(Error{kind, std::move(message)}); }

// The same result; had it failed, with "clause: " in front of the message.
template <class T>
Result<T> in_context(std::string_view clause, Result<T> result) {
  if (!result) return fail(std::move(result).error().context(clause));
  return result;
}

}  // namespace stasis

#define STASIS_RESULT_CONCAT_(a, b) a##b
#define STASIS_RESULT_NAME_(line) STASIS_RESULT_CONCAT_(stasis_result_, line)

// STASIS_LET(declaration, expression): the value of a Result, or `return` with its error. A statement of its own:
// not for the body of an `if` without braces.
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot have any
#define STASIS_LET(declaration, expression)                                                                    \
  auto STASIS_RESULT_NAME_(__LINE__) = (expression);                                                           \
  if (!STASIS_RESULT_NAME_(__LINE__)) return ::stasis::fail(std::move(STASIS_RESULT_NAME_(__LINE__)).error()); \
  declaration = std::move(*STASIS_RESULT_NAME_(__LINE__))
// NOLINTEND(bugprone-macro-parentheses)

// STASIS_TRY(expression): goes on if it worked, else `return`s with its error.
#define STASIS_TRY(expression)                                 \
  do {                                                         \
    if (auto stasis_result = (expression); !stasis_result) {   \
      return ::stasis::fail(std::move(stasis_result).error()); \
    }                                                          \
  } while (false)
