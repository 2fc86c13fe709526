// SPDX-License-Identifier: Apache-2.0
// fake_slurm.h - the functions of Slurm's that the plugin calls, for it is loaded by nobody here. They write down.
#pragma once

extern "C" {
#include <slurm/spank.h>
}

#include <string>
#include <vector>

namespace stasis {

struct FakeSlurm {
  struct Option {
    std::string name, argument, help;
    bool has_argument = false;
    int value = 0;
    spank_opt_cb_f callback = nullptr;
  };
  std::vector<Option> options;
  std::vector<std::string> errors;  // slurm_error
  std::vector<std::string> log;     // slurm_spank_log
  int refuse_after = 1000;          // so many options are registered, and no more

  // As Slurm does when it reads "--NAME=VALUE". remote: in slurmstepd.
  int say(const std::string& name, const char* value, bool remote = false);
};

FakeSlurm& fake_slurm();

}  // namespace stasis
