// SPDX-License-Identifier: Apache-2.0
// signal_takers.h - which processes of a job get the signal by which it is to write a checkpoint of its own. Pure.
//
// Whoever does not catch a signal is killed by it, so only who does gets it:
//   - the program, not what it has started: those it tells itself (mpirun its ranks, Python its workers);
//   - a shell only where nothing below it catches the signal. It waits for its program, and can do something about the
//     signal only afterwards; besides, it catches signals for uses of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/capsule_processes.h"

namespace stasis {

struct SignalledProcess {
  CapsuleProcess process;
  std::string program;  // the name of its file, without directories
  bool takes = false;   // it catches the signal, or waits for it
};

struct SignalPlan {
  std::vector<CapsuleProcess> takers;
  // Who waits for a taker and is none itself: a script, most often. When the run is to be left they have to be held
  // still, or they would go on after the program's end as if it were done.
  std::vector<CapsuleProcess> waiting;
};

// `tree`: of tree_of(), parents before their children; its root, the anchor, is neither.
SignalPlan plan_signal(const std::vector<SignalledProcess>& tree);

// What /proc says of them now, for the signal `number`. `leave_srun`: to srun somebody else sees.
std::vector<SignalledProcess> look_at_signals(const std::vector<CapsuleProcess>& tree, int number, bool leave_srun);

}  // namespace stasis
