// SPDX-License-Identifier: Apache-2.0
#include "spank/options.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <string>

#include "tests/unit/spank/fake_slurm.h"

namespace stasis {
namespace {

class Options : public testing::Test {
 protected:
  Options() {
    fake_slurm() = {};
    EXPECT_EQ(register_options(nullptr), ESPANK_SUCCESS);
  }
  // What has been said belongs to the process, as it does in sbatch: each test has one of its own.
  static bool in_child(const std::function<bool()>& holds) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(holds() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0;
  }
  static void expect_refused(const std::string& option, const char* value, const std::string& sentence) {
    fake_slurm().errors.clear();
    EXPECT_TRUE(in_child([&] {
      return fake_slurm().say(option, value) == ESPANK_BAD_ARG && fake_slurm().errors.size() == 1 &&
             fake_slurm().errors[0].find(sentence) != std::string::npos && requested() == Request();
    })) << option
        << "=" << value;
  }
  static void expect_taken(const std::string& option, const char* value, std::optional<std::string> Request::*field,
                           const std::string& stored) {
    EXPECT_TRUE(in_child([&] {
      return fake_slurm().say(option, value) == ESPANK_SUCCESS && fake_slurm().errors.empty() &&
             requested().*field == stored;
    })) << option
        << "=" << value;
  }
};

TEST_F(Options, AreRegisteredWithHelp) {
  std::set<std::string> names;
  for (const auto& option : fake_slurm().options) {
    names.insert(option.name);
    EXPECT_EQ(option.has_argument, !option.argument.empty()) << option.name;
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_LE(option.name.size(), 75U);
  }
  EXPECT_EQ(names, (std::set<std::string>{"checkpoint-every", "requeue-on-ckpt", "checkpoint-method", "checkpoint-dir",
                                          "checkpoint-keep", "checkpoint-with", "restore-failure", "checkpoint-from"}));
}

TEST_F(Options, ThatSlurmDoesNotTakeAreReported) {
  fake_slurm() = {};
  fake_slurm().refuse_after = 2;
  EXPECT_EQ(register_options(nullptr), ESPANK_NOSPACE);
  EXPECT_EQ(fake_slurm().errors, std::vector<std::string>{"stasis: cannot register --checkpoint-method: no space"});
}

TEST_F(Options, AreNotSaidUntilTheUserSaysThem) {
  EXPECT_TRUE(in_child([] { return requested() == Request() && !protection_requested(); }));
}

TEST_F(Options, AreKeptAsWritten) {
  for (const char* time :
       {"45", "45:00", "0:45:00", "0-0:45", "0-0:45:00", "1-12", "30s", "45m", "2h", "auto", "off"}) {
    expect_taken("checkpoint-every", time, &Request::every, time);
  }
  expect_taken("requeue-on-ckpt", nullptr, &Request::requeue_on_ckpt, "yes");
  for (const char* method : {"criu", "signal", "signal:TERM", "auto:USR2:120"}) {
    expect_taken("checkpoint-method", method, &Request::method, method);
  }
  expect_taken("checkpoint-dir", "/scratch/mine", &Request::dir, "/scratch/mine");
  for (const char* number : {"1", "2", "100"}) expect_taken("checkpoint-keep", number, &Request::keep, number);
  expect_taken("checkpoint-with", "/data:relative", &Request::with, "/data:relative");
  for (const char* word : {"hold", "restart"}) expect_taken("restore-failure", word, &Request::restore_failure, word);
  for (const char* name : {"812", "812:3"}) expect_taken("checkpoint-from", name, &Request::from, name);
}

TEST_F(Options, OfTheLastOneCount) {
  EXPECT_TRUE(in_child([] {
    fake_slurm().say("checkpoint-every", "45");
    fake_slurm().say("checkpoint-every", "2h");
    return requested().every == "2h";
  }));
}

TEST_F(Options, WithBadValuesAreRefusedWithASentence) {
  for (const char* time : {"", "soon", "-5", "1:2:3:4", "0", "45 minutes", "99999999999999999999"}) {
    expect_refused("checkpoint-every", time, "--checkpoint-every: '");
  }
  expect_refused("checkpoint-every", "soon", "write minutes (45), 45:00, 0:45:00");
  for (const char* method : {"", "dmtcp", "signal:", "signal:KILL", "signal:USR1:0", "criu:USR1"}) {
    expect_refused("checkpoint-method", method, std::string("--checkpoint-method: '") + method + "' is no way");
  }
  expect_refused("checkpoint-method", "dmtcp", "write criu, signal[:SIG[:SECONDS]] or auto[:SIG[:SECONDS]]");
  for (const char* number : {"", "0", "101", "-1", "2x", "two", "99999999999"}) {
    expect_refused("checkpoint-keep", number,
                   std::string("--checkpoint-keep takes a number from 1 to 100, not '") + number + "'");
  }
  for (const char* path : {"", "relative", "~/x"}) {
    expect_refused("checkpoint-dir", path, std::string("--checkpoint-dir takes an absolute path, not '") + path + "'");
  }
  expect_refused("checkpoint-with", "", "--checkpoint-with takes one path, or several with ':' in between");
  for (const char* word : {"", "HOLD", "fail"}) {
    expect_refused("restore-failure", word,
                   std::string("--restore-failure takes 'hold' or 'restart', not '") + word + "'");
  }
  for (const char* name : {"", "last", "812:", "812:0"}) {
    expect_refused("checkpoint-from", name,
                   std::string("--checkpoint-from: '") + name + "' is neither a job's number nor JOB:CHECKPOINT");
  }
  expect_refused("checkpoint-from", "812_7", "which has a job number of its own");
}

TEST_F(Options, ThatCannotBeHadTogetherAreRefusedWhicheverIsSaidFirst) {
  const auto refused = [](const char* option, const char* value, const char* then, const char* its) {
    return in_child([&] {
      return fake_slurm().say(option, value) == ESPANK_SUCCESS && fake_slurm().say(then, its) == ESPANK_BAD_ARG &&
             fake_slurm().errors.size() == 1 && fake_slurm().errors[0].find("--checkpoint-from") != std::string::npos;
    });
  };
  EXPECT_TRUE(refused("checkpoint-from", "812", "checkpoint-every", "off"));
  EXPECT_TRUE(refused("checkpoint-every", "off", "checkpoint-from", "812"));
  EXPECT_TRUE(refused("checkpoint-method", "signal:TERM", "checkpoint-from", "812"));
  EXPECT_TRUE(refused("checkpoint-from", "812", "checkpoint-method", "auto"));
  EXPECT_FALSE(refused("checkpoint-from", "812", "checkpoint-method", "criu"));
  EXPECT_FALSE(refused("checkpoint-from", "812", "checkpoint-every", "1h"));
}

TEST_F(Options, MayHoldWhatPrintfWouldRead) { expect_refused("restore-failure", "%s%n", "not '%s%n'"); }

// A job that already runs cannot be refused: the daemon judges, with the site's limits before its eyes.
TEST_F(Options, WithBadValuesAreLoggedAndLeftToTheDaemonWhereTheTaskStarts) {
  EXPECT_TRUE(in_child([] {
    const int result = fake_slurm().say("checkpoint-every", "soon", true);
    return result == ESPANK_SUCCESS && fake_slurm().errors.empty() && fake_slurm().log.size() == 1 &&
           fake_slurm().log[0].starts_with("stasis: --checkpoint-every: 'soon'") && requested().every == "soon";
  }));
}

TEST_F(Options, AskForProtectionUnlessTheySayOff) {
  EXPECT_TRUE(in_child([] {
    fake_slurm().say("checkpoint-every", "45", true);
    return protection_requested();
  }));
  EXPECT_TRUE(in_child([] {
    fake_slurm().say("checkpoint-every", "off", true);
    return !protection_requested();
  }));
  EXPECT_TRUE(in_child([] {
    fake_slurm().say("requeue-on-ckpt", nullptr, true);
    return !protection_requested();
  }));
}

TEST_F(Options, AskForAppendAndRequeueOnlyWhereTheJobIsSubmitted) {
  for (const char* name : {"SBATCH_OPEN_MODE", "SBATCH_REQUEUE", "SBATCH_NO_REQUEUE"}) ::unsetenv(name);
  const auto lent_by = [](const char* value, bool remote) {
    fake_slurm().say("checkpoint-every", value, remote);
    return ::getenv("SBATCH_OPEN_MODE") != nullptr && ::getenv("SBATCH_REQUEUE") != nullptr;
  };
  EXPECT_TRUE(in_child([&] { return lent_by("45", false); }));
  EXPECT_TRUE(in_child([] {
    fake_slurm().say("checkpoint-from", "812");
    return ::getenv("SBATCH_OPEN_MODE") != nullptr && ::getenv("SBATCH_REQUEUE") != nullptr;
  }));
  EXPECT_TRUE(in_child([&] { return !lent_by("45", true); }));
  EXPECT_TRUE(in_child([&] { return !lent_by("off", false); }));
  EXPECT_TRUE(in_child([&] { return !lent_by("soon", false); }));
}

TEST_F(Options, HaveTheVariablesThatSlurmReadsThemFrom) {
  EXPECT_EQ(option_variable("checkpoint-every"), "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_every");
}

}  // namespace
}  // namespace stasis
