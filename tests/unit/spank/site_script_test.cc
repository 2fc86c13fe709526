// SPDX-License-Identifier: Apache-2.0
#include "spank/site_script.h"

#include <gtest/gtest.h>

#include <string>

namespace stasis {
namespace {

std::optional<std::string> interval(const std::string& lines) {
  return checkpointer_interval("#!/bin/bash\n#SBATCH --requeue\n" + lines);
}

TEST(SiteScript, GivesTheTimeThatTheScriptExportsBeforeItCallsCheckpointer) {
  EXPECT_EQ(interval("\nexport SLURM_CHECKPOINT=0-0:45\n\ncheckpointer\nRscript model.R\n"), "0-0:45");
}

TEST(SiteScript, TakesALineAsShellsTakeIt) {
  EXPECT_EQ(interval("  export   SLURM_CHECKPOINT=\"0-0:45\"  # often enough\r\n\tcheckpointer \r\n"), "0-0:45");
  EXPECT_EQ(interval("export SLURM_CHECKPOINT='45'; checkpointer"), "45");
  EXPECT_EQ(interval("export A=b SLURM_CHECKPOINT=45 C && checkpointer &"), "45");
  EXPECT_EQ(interval("SLURM_CHECKPOINT=45 checkpointer >log 2>&1"), "45");
  EXPECT_EQ(interval("SLURM_CHECKPOINT=45\nexport SLURM_CHECKPOINT\n/app/bin/checkpointer -v\n"), "45");
}

TEST(SiteScript, GivesTheLastTimeBeforeTheFirstCall) {
  EXPECT_EQ(interval("export SLURM_CHECKPOINT=1\nexport SLURM_CHECKPOINT=2\ncheckpointer\n"
                     "export SLURM_CHECKPOINT=3\ncheckpointer\n"),
            "2");
}

TEST(SiteScript, GivesNothingWithoutBoth) {
  EXPECT_EQ(interval(""), std::nullopt);
  EXPECT_EQ(interval("export SLURM_CHECKPOINT=45\nRscript model.R\n"), std::nullopt);
  EXPECT_EQ(interval("checkpointer\nexport SLURM_CHECKPOINT=45\n"), std::nullopt);
  EXPECT_EQ(interval("export SLURM_CHECKPOINT\ncheckpointer\n"), std::nullopt);
  EXPECT_EQ(interval("export MY_SLURM_CHECKPOINT=45\ncheckpointer\n"), std::nullopt);
}

TEST(SiteScript, IsNotMisledByTheWordElsewhere) {
  for (const char* line :
       {"# checkpointer", "module load checkpointer", "echo 'now; checkpointer'", "echo checkpointer", "checkpointer2",
        "checkpointer.sh", "export checkpointer", "export PATH=/app/checkpointer", "A=checkpointer"}) {
    EXPECT_EQ(interval(std::string("export SLURM_CHECKPOINT=45\n") + line + "\n"), std::nullopt) << line;
  }
  EXPECT_EQ(interval("# export SLURM_CHECKPOINT=45\ncheckpointer\n"), std::nullopt);
}

TEST(SiteScript, EvaluatesNothing) {
  EXPECT_EQ(interval("export SLURM_CHECKPOINT=$EVERY\ncheckpointer\n"), "$EVERY");
  EXPECT_EQ(interval("export SLURM_CHECKPOINT=`date`\ncheckpointer\n"), "`date`");
  EXPECT_EQ(interval("export SLURM_CHECKPOINT=\ncheckpointer\n"), "");
}

TEST(SiteScript, ReadsWhateverBytesThereAre) {
  const std::string script =
      "export SLURM_CHECKPOINT='45\n\"=;'&\ncheckpointer\n" + std::string("\0=\n\xff;checkpointer", 17);
  for (std::size_t size = 0; size <= script.size(); ++size) (void)checkpointer_interval(script.substr(0, size));
}

}  // namespace
}  // namespace stasis
