// SPDX-License-Identifier: Apache-2.0
#include "capsule/environment.h"

#include <gtest/gtest.h>

#include <vector>

namespace stasis {
namespace {

std::string lines(std::vector<std::string> variables, std::size_t limit = 4096) {
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  return slurm_variables(environment.data(), limit);
}

TEST(SlurmVariables, AreLinesForAShell) {
  EXPECT_EQ(lines({"HOME=/home/alice", "SLURM_JOB_NODELIST=n[1-2]", "SLURMD_NODENAME=n1", "XSLURM=1"}),
            "export SLURM_JOB_NODELIST='n[1-2]'\nexport SLURMD_NODENAME='n1'\n");
  EXPECT_EQ(lines({}), "");
}

TEST(SlurmVariables, MeanToAShellWhatTheyAre) {
  EXPECT_EQ(lines({"SLURM_JOB_NAME=it's $(rm -rf /) \n`x`"}), "export SLURM_JOB_NAME='it'\\''s $(rm -rf /) \n`x`'\n");
  EXPECT_EQ(lines({"SLURM_BAD NAME=1", "SLURM;ls=1", "SLURM_NO_VALUE"}), "");
}

TEST(SlurmVariables, DoNotHaveTheScriptsJobsGoOnFromWhereItDid) {
  EXPECT_EQ(lines({"SLURM_JOB_ID=900", "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_from=812:3"}),
            "export SLURM_JOB_ID='900'\nSTASIS_CHECKPOINT_FROM='812:3'\n");
}

TEST(SlurmVariables, OfWhichThereAreTooManyAreNone) {
  EXPECT_EQ(lines({"SLURM_JOB_NAME=" + std::string(100, 'x')}, 100), "");
}

}  // namespace
}  // namespace stasis
