// SPDX-License-Identifier: Apache-2.0
#include "common/read_file.h"

#include <gtest/gtest.h>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

TEST(ReadFile, ReadsWhatHasNoSize) {
  const auto text = read_file("/proc/self/status");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("Uid:"), std::string::npos);
}

TEST(ReadFile, NamesTheMissingFile) {
  EXPECT_EQ(read_file("/nowhere/at/all").error(),
            (Error{ErrorKind::not_found, "open /nowhere/at/all: No such file or directory"}));
}

TEST(ReadFile, RefusesWhatIsLargerThanTheLimitInsteadOfCuttingIt) {
  const TempDirectory directory;
  const std::string path = directory.write("file", std::string(10000, 'x'));
  EXPECT_EQ(read_file(path, 10000).value().size(), 10000U);
  EXPECT_FALSE(read_file(path, 9999));
}

}  // namespace
}  // namespace stasis
