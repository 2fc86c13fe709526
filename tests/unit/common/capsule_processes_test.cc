// SPDX-License-Identifier: Apache-2.0
#include "common/capsule_processes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/unit/test_capsule.h"

namespace stasis {
namespace {

using Processes = std::vector<CapsuleProcess>;

std::vector<pid_t> inside(const Processes& processes) {
  std::vector<pid_t> pids;
  for (const auto& process : processes) pids.push_back(process.inside);
  return pids;
}

TEST(TreeOf, IsTheRootAndAllBelowIt) {
  const Processes all{{100, 1, 50}, {101, 1000, 100}, {102, 1001, 101}, {103, 1002, 102}, {104, 900, 100}};
  EXPECT_EQ(inside(tree_of(all, 1000)), (std::vector<pid_t>{1000, 1001, 1002}));
  EXPECT_EQ(inside(tree_of(all, 1002)), (std::vector<pid_t>{1002}));
  EXPECT_EQ(inside(tree_of(all, 1)), (std::vector<pid_t>{1, 1000, 1001, 1002, 900}));
}

TEST(TreeOf, FindsChildrenThatStandBeforeTheirParents) {
  const Processes all{{90, 1003, 91}, {91, 1002, 92}, {92, 1001, 101}, {101, 1000, 100}, {100, 1, 50}};
  const auto tree = tree_of(all, 1000);
  ASSERT_EQ(tree.size(), 4U);
  EXPECT_EQ(tree.front().inside, 1000);
}

TEST(TreeOf, IsEmptyWithoutItsRoot) {
  EXPECT_TRUE(tree_of({{100, 1, 50}}, 1000).empty());
  EXPECT_TRUE(tree_of({}, 1000).empty());
  EXPECT_TRUE(tree_of({{100, 1, 50}}, 0).empty());
}

TEST(TreeOf, EndsWhenAProcessIsItsOwnAncestor) {
  // Pids read one after the other may have been given anew meanwhile.
  EXPECT_EQ(tree_of({{100, 1000, 101}, {101, 1001, 100}}, 1000).size(), 2U);
  EXPECT_EQ(tree_of({{100, 1000, 100}}, 1000).size(), 1U);
}

TEST(CapsuleProcesses, AreEverythingInThePidNamespaceAndNothingElse) {
  if (!TestCapsule::possible()) GTEST_SKIP() << "needs root to make a capsule";
  const TestCapsule capsule([] {
    int line[2];
    if (::pipe(line) != 0) ::_exit(1);
    if (::fork() == 0) {
      if (::fork() != 0) (void)!::write(line[1], "x", 1);
      while (true) ::pause();
    }
    char byte = 0;
    (void)!::read(line[0], &byte, 1);
  });
  const auto processes = capsule_processes(capsule.init());
  ASSERT_TRUE(processes) << processes.error().message;
  auto pids = inside(*processes);
  std::sort(pids.begin(), pids.end());
  EXPECT_EQ(pids, (std::vector<pid_t>{1, 2, 3}));
  const auto tree = tree_of(*processes, 2);
  ASSERT_EQ(tree.size(), 2U);
  EXPECT_EQ(tree[0].parent, capsule.init());
  EXPECT_EQ(tree[1].parent, tree[0].host);
  EXPECT_EQ(::kill(tree[1].host, 0), 0);
}

TEST(CapsuleProcesses, OfACapsuleThatIsGoneAreNotFound) {
  if (!TestCapsule::possible()) GTEST_SKIP() << "needs root to make a capsule";
  TestCapsule capsule;
  capsule.end();
  EXPECT_EQ(capsule_processes(capsule.init()).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace stasis
