// SPDX-License-Identifier: Apache-2.0
// doctor.h - is this machine, and Slurm, set up so that jobs can be checkpointed and moved? What is judged comes in as
// values; doctor_node.cc and doctor_slurm.cc look for them.
#pragma once

#include <chrono>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "cli/stats.h"
#include "common/config.h"

namespace stasis {

struct Finding {
  enum class State { ok, warn, bad };

  std::string check;  // a word or two, the same for ever: programs look for it
  State state = State::ok;
  std::string text;
  std::string fix;  // what to do; empty: nothing
};
const char* to_string(Finding::State state) noexcept;

using Findings = std::vector<Finding>;
using SlurmConf = std::map<std::string, std::string>;

// "Version: 4.1.1" of `criu --version`, and uname's "6.12.0-amd64". Empty: criu could not be started.
Finding judge_criu(const std::string& version, const std::string& kernel);
// slurm.conf as slurmctld has it.
Findings judge_slurm(const SlurmConf& slurm, const Config& config);
// KillWait, which is what a last checkpoint has when nobody gave notice, against what checkpoints take here.
Finding judge_kill_wait(const SlurmConf& slurm, const std::vector<Sample>& metrics);
// The same where jobs are preempted: they have the GraceTime of their partition besides.
Finding judge_grace_times(const SlurmConf& slurm, const std::vector<SlurmConf>& partitions,
                          const std::vector<Sample>& metrics);
Finding judge_clock(std::time_t here, std::time_t slurmctld);
// The lines of plugstack.conf and of the files it includes, by file. `plugin_there`: the plugin's file.
Finding judge_plugstack(const std::map<std::string, std::string>& files, bool plugin_there);

// What needs a look at this machine.
Findings look_at_programs(const Config& config);
Findings look_at_places(const Config& config);
Findings look_at_slurm(const Config& config, const std::vector<Sample>& metrics);
// Its numbers, too, if it answers.
Finding look_at_daemon(const Config& config, std::vector<Sample>& metrics);

}  // namespace stasis
