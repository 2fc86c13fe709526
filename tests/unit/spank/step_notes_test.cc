// SPDX-License-Identifier: Apache-2.0
#include "spank/step_notes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/spank/fake_slurm.h"

namespace stasis {
namespace {

bool says(const std::vector<std::string>& notes, const std::string& words) {
  for (const auto& note : notes) {
    if (note.find(words) != std::string::npos) return true;
  }
  return false;
}

TEST(StepNotes, SayNothingOfAStepThatResumesLikeAnyOther) {
  EXPECT_TRUE(step_notes({}).empty());
  EXPECT_FALSE(step_is_out_of_reach({}));
}

TEST(StepNotes, SayThatAStepOnSeveralNodesRunsUnprotected) {
  const StepShape shape{.nodes = 2, .tasks = 4};
  EXPECT_TRUE(step_is_out_of_reach(shape));
  const auto notes = step_notes(shape);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(says(notes, "unprotected: a step on several nodes"));
}

TEST(StepNotes, SayThatAStepWithATerminalRunsUnprotected) {
  EXPECT_TRUE(step_is_out_of_reach({.terminal = true}));
  EXPECT_TRUE(says(step_notes({.terminal = true}), "--pty"));
}

TEST(StepNotes, SayThatSeveralTasksAreNotOne) {
  EXPECT_FALSE(step_is_out_of_reach({.tasks = 4}));
  EXPECT_TRUE(says(step_notes({.tasks = 4}), "each of the 4 tasks"));
}

TEST(StepNotes, SayWhatBecomesOfTheScriptThatWaitsForTheStep) {
  EXPECT_TRUE(says(step_notes({.in_capsule = true}), "while the script waits for srun"));
  EXPECT_EQ(step_notes({.tasks = 2, .in_capsule = true}).size(), 2U);
}

TEST(StepNotes, SayThatAScriptWithoutProtectionStartsOver) {
  EXPECT_TRUE(says(step_notes({.in_script = true}), "script itself is not protected"));
  EXPECT_FALSE(says(step_notes({.in_capsule = true, .in_script = true}), "not protected"));
}

TEST(StepNotes, AreNotPrintedWhenNobodyAskedForProtection) {
  fake_slurm() = {};
  print_step_notes(nullptr);
  EXPECT_TRUE(fake_slurm().log.empty());
}

}  // namespace
}  // namespace stasis
