// SPDX-License-Identifier: Apache-2.0
#include "spank/step_notes.h"

#include <unistd.h>

#include <cstdlib>

#include "common/protocol.h"
#include "common/read_file.h"
#include "spank/options.h"

namespace stasis {
namespace {

std::uint32_t number(spank_t spank, spank_item_t item) {
  std::uint32_t value = 0;
  return spank_get_item(spank, item, &value) == ESPANK_SUCCESS && value > 0 ? value : 1;
}

bool says(const char* option) {
  const std::string line = read_file("/proc/self/cmdline").value_or("");
  return line.find(std::string("\0", 1) + option + '\0') != std::string::npos;
}

}  // namespace

bool step_is_out_of_reach(const StepShape& shape) { return shape.nodes > 1 || shape.terminal; }

std::vector<std::string> step_notes(const StepShape& shape) {
  std::vector<std::string> notes;
  if (shape.nodes > 1) {
    notes.emplace_back("this step runs unprotected: a step on several nodes cannot be resumed yet");
  } else if (shape.terminal) {
    notes.emplace_back("this step runs unprotected: a step with a terminal (--pty) cannot be resumed");
  } else if (shape.tasks > 1) {
    notes.push_back("each of the " + std::to_string(shape.tasks) +
                    " tasks is checkpointed by itself; tasks that talk to each other (MPI) cannot be resumed this way");
  }
  if (shape.in_capsule) {
    notes.emplace_back(
        "while the script waits for srun it cannot be checkpointed; after a requeue it goes on from its last "
        "checkpoint before that, or from its beginning, and this step goes on where it was when it is started again");
  } else if (shape.in_script) {
    notes.emplace_back(
        "the script itself is not protected: after a requeue it starts over, and what this step prints at that moment "
        "can be lost; sbatch --checkpoint-every protects both");
  }
  return notes;
}

void print_step_notes(spank_t spank) {
  if (!protection_requested()) return;
  StepShape shape;
  shape.nodes = number(spank, S_JOB_NNODES);
  shape.tasks = number(spank, S_JOB_TOTAL_TASK_COUNT);
  shape.terminal = says("--pty");
  shape.in_capsule = ::access(kCapsuleAnchor, F_OK) == 0;
  // Slurm sets it for what it starts on a node, not for salloc's shell.
  shape.in_script = std::getenv("SLURMD_NODENAME") != nullptr;
  for (const auto& note : step_notes(shape)) slurm_spank_log("stasis: note: %s", note.c_str());
}

}  // namespace stasis
