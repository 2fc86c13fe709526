// SPDX-License-Identifier: Apache-2.0
// step_notes.h - tells the user of srun, before a step starts, what of it could not be resumed.
#pragma once

extern "C" {
#include <slurm/spank.h>
}

#include <cstdint>
#include <string>
#include <vector>

namespace stasis {

struct StepShape {
  std::uint32_t nodes = 1;
  std::uint32_t tasks = 1;
  bool terminal = false;    // --pty
  bool in_capsule = false;  // started by a script that is protected itself
  bool in_script = false;   // started on a node, by a batch script or another step

  friend bool operator==(const StepShape&, const StepShape&) = default;
};

// A step of this shape is not protected at all.
bool step_is_out_of_reach(const StepShape& shape);

// Sentences for the user; none when the step can be resumed like any other.
std::vector<std::string> step_notes(const StepShape& shape);

// From slurm_spank_local_user_init: prints them for this srun, if it asks for protection.
void print_step_notes(spank_t spank);

}  // namespace stasis
