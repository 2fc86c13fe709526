// SPDX-License-Identifier: Apache-2.0
#include "common/error.h"

#include <cerrno>
#include <system_error>

namespace stasis {
namespace {

ErrorKind kind_of(int error_number) noexcept {
  switch (error_number) {
    case ENOENT:
    case ESRCH:
      return ErrorKind::not_found;
    case EAGAIN:
    case EBUSY:
      return ErrorKind::busy;
    case ENOSPC:
    case EDQUOT:
      return ErrorKind::no_space;
    case ETIMEDOUT:
      return ErrorKind::timed_out;
    case EACCES:
    case EPERM:
      return ErrorKind::denied;
    default:
      return ErrorKind::failed;
  }
}

}  // namespace

const char* to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::busy:
      return "busy";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::lost:
      return "lost";
    case ErrorKind::no_space:
      return "no_space";
    case ErrorKind::timed_out:
      return "timed_out";
    case ErrorKind::denied:
      return "denied";
  }
  return "failed";
}

Error Error::context(std::string_view clause) && {
  message.insert(0, ": ");
  message.insert(0, clause);
  return std::move(*this);
}

Error Error::context(std::string_view clause) const& { return Error(*this).context(clause); }

Error errno_error(std::string_view what, int error_number) {
  // generic_category().message() is strerror_r in a coat: safe with threads.
  return Error{kind_of(error_number), std::generic_category().message(error_number)}.context(what);
}

}  // namespace stasis
