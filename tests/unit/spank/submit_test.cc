// SPDX-License-Identifier: Apache-2.0
// The plugin looks at its process: at the name it was called by, its command line, its environment. So each case here
// is this very program started again, as "sbatch" and the like, and what it then sees comes back as text.
#include "spank/submit.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "spank/options.h"
#include "tests/unit/spank/fake_slurm.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using Strings = std::vector<std::string>;

constexpr char kProbe[] = "STASIS_PROBE";

void print_environment() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (text.rfind(kProbe, 0) != 0 && text.rfind("ASAN_OPTIONS", 0) != 0)
      (void)!::write(1, (text + "\n").data(), text.size() + 1);
  }
  (void)!::write(1, "--\n", 3);
}

// Before main, so that gtest never sees the command line: what the plugin does in sbatch, in its order.
[[maybe_unused]] const bool kProbed = [] {
  const char* said = std::getenv(kProbe);
  if (said == nullptr) return false;
  register_options(nullptr);
  before_options();
  // An #SBATCH line, which sbatch reads before its environment.
  const std::string text = said;
  if (text.starts_with("from=")) {
    (void)fake_slurm().say("checkpoint-from", said + 5);
  } else if (!text.empty()) {
    (void)fake_slurm().say("checkpoint-every", said);
  }
  for (const auto& line : fake_slurm().errors) (void)!::write(1, (line + "\n").data(), line.size() + 1);
  for (const auto& line : fake_slurm().log) (void)!::write(1, (line + "\n").data(), line.size() + 1);
  print_environment();
  after_options();
  print_environment();
  ::_exit(0);
}();

class Submit : public testing::Test {
 protected:
  struct Seen {
    Strings during;  // variables more than before while Slurm reads its options, and words to the user
    Strings after;   // and when it has read them
  };
  Seen seen(const Strings& words, const Strings& environment = {}, const std::string& script_says = "",
            int in = -1) const {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(in >= 0 ? in : ::open("/dev/null", O_RDONLY), 0);
      ::dup2(ends[1], 1);
      Strings all = environment;
      all.push_back(std::string(kProbe) + "=" + script_says);
      all.emplace_back("ASAN_OPTIONS=detect_leaks=0");
      (void)!::chdir(directory.path().c_str());
      ::execve("/proc/self/exe", pointers(words).data(), pointers(all).data());
      ::_exit(126);
    }
    ::close(ends[1]);
    std::string text;
    char block[4096];
    for (ssize_t size; (size = ::read(ends[0], block, sizeof block)) > 0;)
      text.append(block, static_cast<std::size_t>(size));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    Seen result;
    result.during = more(text, environment);
    text.erase(0, text.find("--\n") + 3);
    result.after = more(text, environment);
    return result;
  }
  // Lent while options are read, and taken back.
  Strings lent(const Strings& words, const Strings& environment = {}, const std::string& script_says = "",
               int in = -1) const {
    const Seen both = seen(words, environment, script_says, in);
    EXPECT_EQ(both.after, Strings());
    return both.during;
  }

  static constexpr char kEvery[] = "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_every=";
  const Strings append_and_requeue{"SBATCH_OPEN_MODE=append", "SBATCH_REQUEUE="};
  TempDirectory directory;

 private:
  static std::vector<char*> pointers(const Strings& texts) {
    std::vector<char*> result;
    for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
  }
  // The lines up to "--", sorted, but those that were there anyway, each of which has to be there still.
  static Strings more(const std::string& text, const Strings& environment) {
    Strings lines;
    for (std::size_t at = 0; text.compare(at, 3, "--\n") != 0;) {
      const auto end = text.find('\n', at);
      if (end == std::string::npos) break;
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    for (const auto& variable : environment) {
      const auto found = std::find(lines.begin(), lines.end(), variable);
      EXPECT_NE(found, lines.end()) << variable << " was changed";
      if (found != lines.end()) lines.erase(found);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }
};

Strings operator+(Strings left, const Strings& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST_F(Submit, LeavesAJobAloneThatDoesNotAskForProtection) {
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SLURM_CLUSTERS=x", "SBATCH_PARTITION=y"}), Strings());
  EXPECT_EQ(lent({"srun", "hostname"}), Strings());
}

TEST_F(Submit, TakesTheIntervalFromTheVariableThatSitesUse) {
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SLURM_CHECKPOINT=0-0:45"}),
            append_and_requeue + Strings{std::string(kEvery) + "0-0:45"});
}

TEST_F(Submit, TakesItsOptionsFromTheVariablesOfTheProgram) {
  EXPECT_EQ(lent({"/usr/bin/srun", "hostname"}, {"SRUN_CHECKPOINT_EVERY=2h", "SBATCH_CHECKPOINT_EVERY=1h"}),
            Strings{std::string(kEvery) + "2h"});
  EXPECT_EQ(lent({"salloc"}, {"SALLOC_CHECKPOINT_EVERY=2h", "SRUN_CHECKPOINT_EVERY=1h"}),
            Strings{std::string(kEvery) + "2h"});
  EXPECT_EQ(lent({"sbatch"}, {"SRUN_CHECKPOINT_EVERY=2h", "SALLOC_CHECKPOINT_EVERY=1h"}), Strings());
}

TEST_F(Submit, PrefersTheProgramsVariableToTheOneForAll) {
  EXPECT_EQ(lent({"sbatch"}, {"SBATCH_CHECKPOINT_EVERY=2h", "SLURM_CHECKPOINT=45"}),
            append_and_requeue + Strings{std::string(kEvery) + "2h"});
}

TEST_F(Submit, TakesEveryOptionFromTheEnvironment) {
  const std::string prefix = "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_";
  EXPECT_EQ(lent({"sbatch"}, {"SBATCH_REQUEUE_ON_CKPT=yes", "SBATCH_CHECKPOINT_DIR=/d", "SBATCH_CHECKPOINT_KEEP=3",
                              "SBATCH_CHECKPOINT_WITH=/w", "SBATCH_RESTORE_FAILURE=restart"}),
            (Strings{prefix + "checkpoint_dir=/d", prefix + "checkpoint_keep=3", prefix + "checkpoint_with=/w",
                     prefix + "requeue_on_ckpt=yes", prefix + "restore_failure=restart"}));
}

TEST_F(Submit, TakesAFlagThatIsSaidToBeOffForNone) {
  EXPECT_EQ(lent({"sbatch"}, {"SBATCH_REQUEUE_ON_CKPT=no"}), Strings());
  EXPECT_EQ(lent({"sbatch"}, {"SBATCH_REQUEUE_ON_CKPT=0"}), Strings());
}

TEST_F(Submit, NeverReplacesAVariableOfSlurmsOwnForm) {
  EXPECT_EQ(lent({"srun"}, {std::string(kEvery) + "1h", "SLURM_CHECKPOINT=45"}), Strings());
}

TEST_F(Submit, SeesAnOptionOnTheCommandLine) {
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=45", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"/opt/slurm/bin/sbatch", "--checkpoint-every", "45", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-ev=45", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-dir=/x", "job.sh"}), Strings());
  EXPECT_EQ(lent({"srun", "--checkpoint-every=45", "hostname"}), Strings());
}

// A partition may protect the job by itself; its script starts again then, and what it has written so far must stay.
TEST_F(Submit, SeesAMethodOnTheCommandLineAndInTheEnvironment) {
  EXPECT_EQ(lent({"sbatch", "--checkpoint-method=signal", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-m", "signal", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SBATCH_CHECKPOINT_METHOD=signal"}),
            append_and_requeue + Strings{"SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_method=signal"});
  EXPECT_EQ(lent({"sbatch", "--checkpoint-method=signal", "--checkpoint-every=off", "job.sh"}), Strings());
}

TEST_F(Submit, SeesAnOptionInTheScript) { EXPECT_EQ(lent({"sbatch", "job.sh"}, {}, "45"), append_and_requeue); }

// Whoever says off once got append mode and requeue all the same.
TEST_F(Submit, AsksForNothingWhenTheUserSaysOff) {
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=off", "job.sh"}), Strings());
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every", "off", "job.sh"}), Strings());
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SLURM_CHECKPOINT=off"}), Strings{std::string(kEvery) + "off"});
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {}, "off"), Strings());
  // The command line is the last word, and of two the second.
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=off", "job.sh"}, {}, "45"), Strings());
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=off", "job.sh"}, {"SLURM_CHECKPOINT=45"}),
            Strings{std::string(kEvery) + "45"});
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=off", "--checkpoint-every=45", "job.sh"}), append_and_requeue);
}

TEST_F(Submit, OverridesNoVariableOfTheUsers) {
  const Strings words{"sbatch", "--checkpoint-every=45", "job.sh"};
  EXPECT_EQ(lent(words, {"SBATCH_OPEN_MODE=truncate"}), Strings{"SBATCH_REQUEUE="});
  EXPECT_EQ(lent(words, {"SBATCH_REQUEUE=1"}), Strings{"SBATCH_OPEN_MODE=append"});
  EXPECT_EQ(lent(words, {"SBATCH_NO_REQUEUE=1"}), Strings{"SBATCH_OPEN_MODE=append"});
}

TEST_F(Submit, OverridesNoLineOfTheScript) {
  const Strings words{"sbatch", "--checkpoint-every=45", "job.sh"};
  directory.write("job.sh", "#!/bin/sh\n#SBATCH --open-mode=truncate\nsleep 1\n");
  EXPECT_EQ(lent(words), Strings{"SBATCH_REQUEUE="});
  directory.write("job.sh", "#!/bin/sh\n#SBATCH --ntasks=1\n#SBATCH -J x --no-requeue\nsleep 1\n");
  EXPECT_EQ(lent(words), Strings{"SBATCH_OPEN_MODE=append"});
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {}, "45"), Strings{"SBATCH_OPEN_MODE=append"});
  directory.write("job.sh", "#!/bin/sh\n# --open-mode=truncate and --no-requeue are not said here\nsleep 1\n");
  EXPECT_EQ(lent(words), append_and_requeue);
}

TEST_F(Submit, OverridesNoLineOfAScriptThatComesFromStdin) {
  const std::string path = directory.write("job.sh", "#!/bin/sh\n#SBATCH --open-mode=truncate\n#SBATCH --no-requeue\n");
  const UniqueFd script(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=45"}, {}, "", script.get()), Strings());
  EXPECT_EQ(::lseek(script.get(), 0, SEEK_CUR), 0) << "sbatch still has to read it";
}

// As users of sites' own tool have it: no option, no variable.
const std::string kSiteScript = "#!/bin/bash\n#SBATCH -t 60\nexport SLURM_CHECKPOINT=0-0:45\ncheckpointer\nprogram\n";

TEST_F(Submit, ProtectsAScriptThatCallsCheckpointer) {
  const Strings protection{std::string(kEvery) + "0-0:45",
                           "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_requeue_on_ckpt=yes"};
  const std::string path = directory.write("job.sh", kSiteScript);
  directory.write("out.txt", "checkpointer\n");
  EXPECT_EQ(lent({"sbatch", "-o", "out.txt", "-t", "0-6:00", "job.sh"}), append_and_requeue + protection);
  const UniqueFd script(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(lent({"sbatch"}, {}, "", script.get()), append_and_requeue + protection);
  EXPECT_EQ(lent({"srun", "job.sh"}), Strings());
  EXPECT_EQ(lent({"sbatch", "other.sh"}), Strings());
}

TEST_F(Submit, PutsWhatTheUserSaysAboveTheScriptThatCallsCheckpointer) {
  directory.write("job.sh", kSiteScript);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=2h", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=off", "job.sh"}), Strings());
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SLURM_CHECKPOINT=2h"}),
            append_and_requeue + Strings{std::string(kEvery) + "2h"});
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SBATCH_REQUEUE_ON_CKPT=no"}),
            append_and_requeue + Strings{std::string(kEvery) + "0-0:45"});
  directory.write("job.sh", "#!/bin/bash\n#SBATCH --checkpoint-every=2h\n" + kSiteScript);
  EXPECT_EQ(lent({"sbatch", "job.sh"}), Strings());
}

TEST_F(Submit, SubmitsAScriptThatCallsCheckpointerWithATimeThatIsNone) {
  for (const char* time : {"soon", "$EVERY", "", "0"}) {
    directory.write("job.sh", std::string("#!/bin/bash\nexport SLURM_CHECKPOINT=") + time + "\ncheckpointer\n");
    const Strings words = lent({"sbatch", "job.sh"});
    ASSERT_EQ(words.size(), 1U) << time;
    EXPECT_TRUE(words[0].starts_with("stasis: warning: SLURM_CHECKPOINT in the script is ignored")) << words[0];
    EXPECT_NE(words[0].find(std::string("'") + time + "'"), std::string::npos) << words[0];
  }
  directory.write("job.sh", "#!/bin/bash\nexport SLURM_CHECKPOINT=off\ncheckpointer\n");
  EXPECT_EQ(lent({"sbatch", "job.sh"}), Strings{std::string(kEvery) + "off"});
}

// Its script says SLURM_CHECKPOINT to another tool, or to us as it should not.
TEST_F(Submit, LetsASrunOfAJobRunWhateverItsScriptSays) {
  EXPECT_EQ(lent({"srun", "hostname"}, {"SLURM_CHECKPOINT=soon", "SLURM_JOB_ID=812"}), Strings());
  EXPECT_EQ(lent({"srun", "hostname"}, {"SLURM_CHECKPOINT=45", "SLURM_JOB_ID=812"}),
            Strings{std::string(kEvery) + "45"});
  EXPECT_EQ(lent({"srun", "hostname"}, {"SLURM_CHECKPOINT=soon"}), Strings{std::string(kEvery) + "soon"});
}

TEST_F(Submit, AsksForAppendAndRequeueForAJobThatGoesOnFromAnother) {
  EXPECT_EQ(lent({"sbatch", "--checkpoint-from=812", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "--checkpoint-f", "812", "job.sh"}), append_and_requeue);
  EXPECT_EQ(lent({"sbatch", "job.sh"}, {"SBATCH_CHECKPOINT_FROM=812"}),
            append_and_requeue + Strings{"SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_from=812"});
}

TEST_F(Submit, TakesNoCheckpointOfAnotherJobForAStepOrAnAllocation) {
  for (const char* program : {"srun", "salloc"}) {
    const Strings words = lent({program, "--checkpoint-from=812", "hostname"}, {}, "from=812");
    ASSERT_EQ(words.size(), 1U);
    EXPECT_EQ(words[0], "--checkpoint-from is for batch scripts: sbatch --checkpoint-from=812 SCRIPT");
    EXPECT_EQ(lent({program, "hostname"}, {"SRUN_CHECKPOINT_FROM=812", "SALLOC_CHECKPOINT_FROM=812"}), Strings());
  }
  // Slurm hands the script's options to its srun commands.
  EXPECT_EQ(lent({"srun", "hostname"}, {"SLURM_JOB_ID=900"}, "from=812"), Strings());
}

TEST_F(Submit, IsNotConfusedByWhatIsNoScript) {
  directory.write("data", "\n#SBATCH --open-mode=truncate\n");
  EXPECT_EQ(lent({"sbatch", "--checkpoint-every=45", "/nowhere.sh", "data", ".", ""}), append_and_requeue);
}

}  // namespace
}  // namespace stasis
