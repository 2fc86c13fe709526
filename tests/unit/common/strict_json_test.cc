// SPDX-License-Identifier: Apache-2.0
#include "common/strict_json.h"

#include <gtest/gtest.h>

#include "common/file_index.h"
#include "common/file_tree.h"
#include "common/ledger.h"

namespace stasis {
namespace {

template <class Number>
Result<Number> read(const char* text) {
  return read_json("test", text,
                   [](const nlohmann::json& json) -> Result<Number> { return whole_number<Number>(json); });
}

TEST(StrictJson, WholeNumbersThatFitAreRead) {
  EXPECT_EQ(*read<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*read<std::int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(*read<std::int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*read<std::uint32_t>("4294967295"), UINT32_MAX);
  EXPECT_EQ(*read<std::uint32_t>("0"), 0u);
}

TEST(StrictJson, FractionsAndNumbersThatDoNotFitAreRefused) {
  for (const char* text :
       {"1.0", "0.5", "1e3", "18446744073709551616", "1e22", "-1", "4294967296", "true", "\"1\"", "null", "[1]", ""}) {
    const auto number = read<std::uint32_t>(text);
    ASSERT_FALSE(number) << text;
    EXPECT_EQ(number.error().kind, ErrorKind::corrupt) << text;
  }
  EXPECT_FALSE(read<std::int64_t>("9223372036854775808"));
}

TEST(StrictJson, AMemberThatIsMissingHasItsDefaultAndAWrongOneNone) {
  const auto mode = [](const char* text) {
    return read_json("test", text,
                     [](const nlohmann::json& json) -> Result<int> { return whole_number(json, "mode", 7); });
  };
  EXPECT_EQ(*mode("{}"), 7);
  EXPECT_EQ(*mode("{\"mode\":8}"), 8);
  EXPECT_FALSE(mode("{\"mode\":8.5}"));
}

// Found by fuzzing: a number that no integer holds became a double, and that, by undefined behaviour, some integer.
TEST(StrictJson, LedgerTreeAndIndexRefuseNumbersThatNoIntegerHolds) {
  const std::string huge = "18446744073709551615000";
  const std::string stamp = R"("inode":1,"size":0,"mtime":1,"ctime":1,"mode":420,"copy":false,"tail":"","absent":[])";
  const auto ledger = [&](const std::string& stream) {
    return read_ledger(R"({"format":1,"taken_at":1,"trees":[],"files":[{"path":"/a","writing":"append",)" + stamp +
                       R"(,"pieces":[[)" + stream + ",0,1]]}]}");
  };
  ASSERT_TRUE(ledger("7")) << ledger("7").error().message;
  EXPECT_FALSE(ledger(huge));
  const auto tree = [&](const std::string& mode) {
    return read_file_tree(R"({"format":1,"entries":[{"path":"/tmp","type":"d","mode":)" + mode + "}]}");
  };
  ASSERT_TRUE(tree("420")) << tree("420").error().message;
  EXPECT_FALSE(tree(huge));
  const auto index = [&](const std::string& inode) {
    return read_file_index(R"({"belongs_to":"","files":[["/a",)" + inode + R"(,1,1,1,true,[],""]]})");
  };
  ASSERT_TRUE(index("1")) << index("1").error().message;
  EXPECT_FALSE(index(huge));
}

}  // namespace
}  // namespace stasis
