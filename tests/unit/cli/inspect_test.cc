// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect.h"

#include <gtest/gtest.h>

#include "common/file_tree.h"
#include "common/ledger.h"
#include "common/manifest.h"
#include "common/page_map.h"

namespace stasis {
namespace {

Keys keys() { return Keys::parse("k1 " + std::string(64, 'a') + "\n").value(); }

Manifest manifest() {
  Manifest m;
  m.job = {"hpc", 1001, 812, 1795246151};
  m.part = "batch";
  m.number = 8;
  m.node = "n2";
  m.streams.push_back({"core-1.img", {5, std::string(64, '0'), 5, Encoding::plain}, "pack", 0, 8});
  return m;
}

PageMap page_map() {
  PageMap map;
  PageBlock block;
  block.stored = 8192;
  block.pages = 2;
  map.files[1] = {{"k1", {}}, {block}};
  map.images.push_back({"pages-1.img", {{1, 0, 2}, {0, 0, 5}}});
  return map;
}

TEST(Inspect, AManifestHasAllItsFields) {
  const std::string text = write_manifest(manifest(), keys());
  const Keys ours = keys();
  const auto json = decode_file(text, &ours);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ((*json)["kind"], "manifest");
  EXPECT_EQ((*json)["manifest_format"], "1");
  EXPECT_EQ((*json)["key"], "k1");
  EXPECT_EQ((*json)["authentic"], true);
  EXPECT_EQ((*json)["manifest"]["streams"][0]["name"], "core-1.img");
  EXPECT_TRUE(decode_file(text, nullptr).value()["authentic"].is_null());
}

TEST(Inspect, AMemoryMapHasAllItsFields) {
  const auto json = decode_file(write_page_map(page_map()), nullptr);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ((*json)["memory"]["files"][0]["key"], "k1");
  EXPECT_EQ((*json)["memory"]["files"][0]["blocks"][0]["pages"], 2);
  EXPECT_EQ((*json)["memory"]["images"][0]["runs"][1]["count"], 5);
}

TEST(Inspect, LedgerAndScratchAreTold) {
  EXPECT_EQ(decode_file(write_ledger({}), nullptr).value()["kind"], "ledger");
  TreeEntry entry;
  entry.path = "/tmp";
  entry.type = TreeType::directory;
  EXPECT_EQ(decode_file(write_file_tree({entry}), nullptr).value()["kind"], "scratch");
}

TEST(Inspect, NothingThatIsCutOffOrChangedCrashesIt) {
  const Keys ours = keys();
  for (const std::string& whole : {write_manifest(manifest(), ours),
                                   std::string(std::string_view(write_page_map(page_map()))), write_ledger({})}) {
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      const auto json = decode_file(whole.substr(0, cut), &ours);
      const bool whole_enough = whole.substr(cut).find_first_not_of(" \n") == std::string::npos;
      EXPECT_TRUE(!json || json->value("authentic", Json()) == false || whole_enough) << cut;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      (void)decode_file(changed, &ours);
    }
  }
}

TEST(Inspect, TextIndentsWhatIsInside) {
  const Json json = Json::parse(R"({"a": 1, "b": {"c": "x\ny"}, "d": [{"e": null}], "f": [[1, 2]]})");
  EXPECT_EQ(as_text(json), "a: 1\nb:\n  c: x\\x0ay\nd:\n  -\n    e: null\nf: [[1,2]]\n");
}

}  // namespace
}  // namespace stasis
