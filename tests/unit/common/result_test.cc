// SPDX-License-Identifier: Apache-2.0
#include "common/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>

namespace stasis {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorKind::unsupported, "odd");
  return n / 2;
}

Result<std::string> quarter(int n) {
  STASIS_LET(const int first, half(n));
  STASIS_LET(const int second, in_context("second half", half(first)));
  return std::to_string(second);
}

Result<void> check_half(int n) {
  STASIS_TRY(half(n));
  return {};
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(half(8).value(), 4);
  EXPECT_EQ(half(7).error(), (Error{ErrorKind::unsupported, "odd"}));
}

TEST(Result, LetPassesTheFirstErrorOn) {
  EXPECT_EQ(quarter(8).value(), "2");
  EXPECT_EQ(quarter(7).error().message, "odd");
}

TEST(Result, ContextAddsOneClauseAndKeepsTheKind) {
  EXPECT_EQ(quarter(6).error(), (Error{ErrorKind::unsupported, "second half: odd"}));
  const Error twice = Error{ErrorKind::lost, "gone"}.context("dump").context("job 812");
  EXPECT_EQ(twice, (Error{ErrorKind::lost, "job 812: dump: gone"}));
}

TEST(Result, TryGoesOnOrReturns) {
  EXPECT_TRUE(check_half(2));
  EXPECT_EQ(check_half(3).error().message, "odd");
}

TEST(Result, CopiesOfFalseStayFalse) {
  // A bool can be made from a Result<bool>, which then must not be taken for the value.
  Result<bool> no = false;
  Result<bool> copy = no;
  EXPECT_TRUE(copy.has_value());
  EXPECT_FALSE(*copy);
  Result<bool> failed = fail(ErrorKind::failed, "x");
  copy = failed;
  EXPECT_FALSE(copy.has_value());
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  const auto make = []() -> Result<std::unique_ptr<int>> {
    auto value = std::make_unique<int>(5);
    return value;
  };
  Result<std::unique_ptr<int>> made = make();
  ASSERT_TRUE(made);
  const std::unique_ptr<int> value = std::move(*made);
  EXPECT_EQ(*value, 5);
}

TEST(Result, TellsNothingThereFromAnError) {
  const auto find = [](int n) -> Result<std::optional<int>> {
    if (n < 0) return fail(ErrorKind::failed, "cannot tell");
    if (n == 0) return std::nullopt;
    return n;
  };
  EXPECT_FALSE(find(-1));
  ASSERT_TRUE(find(0));
  EXPECT_FALSE(find(0)->has_value());
  EXPECT_EQ(find(3).value(), 3);
}

TEST(Result, ChainsWithMap) {
  const Result<std::string> text = half(8).map([](int n) { return std::string(static_cast<std::size_t>(n), 'x'); });
  EXPECT_EQ(text.value(), "xxxx");
}

TEST(Error, OfASystemCallSaysWhatAndWhyAndHasTheFittingKind) {
  EXPECT_EQ(errno_error("open /x", ENOENT), (Error{ErrorKind::not_found, "open /x: No such file or directory"}));
  EXPECT_EQ(errno_error("write", ENOSPC).kind, ErrorKind::no_space);
  EXPECT_EQ(errno_error("write", EDQUOT).kind, ErrorKind::no_space);
  EXPECT_EQ(errno_error("open", EACCES).kind, ErrorKind::denied);
  EXPECT_EQ(errno_error("kill", EPERM).kind, ErrorKind::denied);
  EXPECT_EQ(errno_error("connect", EAGAIN).kind, ErrorKind::busy);
  EXPECT_EQ(errno_error("read", EIO).kind, ErrorKind::failed);
}

TEST(Error, KindsHaveNames) {
  EXPECT_STREQ(to_string(ErrorKind::timed_out), "timed_out");
  EXPECT_STREQ(to_string(ErrorKind::corrupt), "corrupt");
}

}  // namespace
}  // namespace stasis
