// SPDX-License-Identifier: Apache-2.0
// protocol.h - the verbs our programs use, in the order a task's life meets them. Fields in parentheses; `facts` are
// the fields of TaskFacts.
//
//   plugin -> daemon   admit (facts)                 may this task be protected?
//   daemon -> plugin   protect (keep_tmp, tree_signalled, allow_io_uring) | unprotected (reason, notice?)
//                                                    tree_signalled: Slurm signals the payload itself (linuxproc)
//   plugin -> init     capsule (facts and these)     first on the socket between shim and init, before the user has it
//   shim -> init       go (restarts, variables) + stdin, stdout, stderr
//   init -> daemon     capsule (facts, state, root, tmp, first_start, excluded, number)
//                                                    at the start and after every reconnection; state: new, running,
//                                                    restoring (checkpoint number, by the order of an earlier daemon)
//   daemon -> init     fresh () | restore (argv..., root, number) + images directory, anchor | hold (text) |
//                      attached ();                  each with first_start and excluded, for init to repeat
//   init -> shim       fresh () | restored () | refused (text, code, hold?)
//   child -> init      born ()                       from the payload's future root; its pid is the kernel's word
//   init -> daemon     born (root)
//   shim -> init       signal (number)
//   init -> daemon     signal (number)               SIGTERM only: is this the end of the run, or for the payload?
//   daemon -> init     taken ()                      no answer yet, but one will come: init waits on
//   daemon -> init     deliver (number)              hand it to the payload
//   daemon -> init     say (text)                    a line for the job's output
//   daemon -> init     still (on)                    1: the payload is held still, and is not to be let go by a SIGCONT
//                                                    that Slurm sends along with others; 0: it is not any more
//   daemon -> init     kill ()                       end the tree; what was said before is in the output by then
//   init -> shim       say (text)
//   shim -> init       exit (status)                 of a fresh payload, as waitpid gives it
//   init -> shim       exit (status)                 of a restored one
//   CLI -> daemon      checkpoint (job, requeue) | evacuate ()
//   daemon -> CLI      checkpointed (name, number, bytes, frozen_us) | signalled (name, processes, took_ms) |
//                      skipped (name, text), one for each; end ()
//   CLI -> daemon      runs () | stats () | log (job) | stored (job, number?, deep?) | restart (job, number) |
//                      check (job)
//   daemon -> CLI      run (daemon/answers.h), for each | stats (text) | line (at, level, text), for each |
//                      checkpoint (common/stored_checkpoint.h), for each | chosen () | checked, obstacle
//                      (daemon/preflight.h), for each | refused (text); end ()
//   init -> daemon     restored () | unrestored (status) | exit (status)
#pragma once

namespace stasis::verb {

inline constexpr char kAdmit[] = "admit";
inline constexpr char kProtect[] = "protect";
inline constexpr char kUnprotected[] = "unprotected";
inline constexpr char kCapsule[] = "capsule";
inline constexpr char kGo[] = "go";
inline constexpr char kFresh[] = "fresh";
inline constexpr char kRestore[] = "restore";
inline constexpr char kHold[] = "hold";
inline constexpr char kAttached[] = "attached";
inline constexpr char kRestored[] = "restored";
inline constexpr char kUnrestored[] = "unrestored";
inline constexpr char kRefused[] = "refused";
inline constexpr char kBorn[] = "born";
inline constexpr char kSignal[] = "signal";
inline constexpr char kTaken[] = "taken";
inline constexpr char kDeliver[] = "deliver";
inline constexpr char kSay[] = "say";
inline constexpr char kStill[] = "still";
inline constexpr char kKill[] = "kill";
inline constexpr char kExit[] = "exit";
inline constexpr char kCheckpoint[] = "checkpoint";
inline constexpr char kEvacuate[] = "evacuate";
inline constexpr char kEnd[] = "end";
inline constexpr char kRuns[] = "runs";
inline constexpr char kStats[] = "stats";
inline constexpr char kLog[] = "log";
inline constexpr char kStored[] = "stored";
inline constexpr char kRestart[] = "restart";
inline constexpr char kCheck[] = "check";

}  // namespace stasis::verb

namespace stasis {

// Where the shim's stdin, stdout and stderr are in the criu that restores: `--inherit-fd fd[200]:pipe:[...]`.
inline constexpr int kFirstInheritedStdio = 200;
// Where the directory of images is in every criu of ours: `--images-dir /proc/self/fd/210`.
inline constexpr int kImagesFd = 210;
// The hook's line to whoever runs the dump.
inline constexpr int kHookFd = 211;

// "FD:PROGRAM", where the shim cannot be told by its arguments (Slurm before 23.11).
inline constexpr char kShimVariable[] = "STASIS_SHIM";

// The capsule's own small file system, at the same place on every node.
inline constexpr char kCapsuleDir[] = "/run/stasis/self";
inline constexpr char kCapsuleAnchor[] = "/run/stasis/self/anchor";
// Slurm's variables of the run that a job is in, and the variable that names the file to the job's programs.
inline constexpr char kCapsuleVariables[] = "/run/stasis/self/variables";
inline constexpr char kVariablesVariable[] = "STASIS_ENV";
// In that file, of a job that goes on from another's checkpoint: which. It is not exported.
inline constexpr char kOriginVariable[] = "STASIS_CHECKPOINT_FROM";

}  // namespace stasis
