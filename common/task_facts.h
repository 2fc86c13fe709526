// SPDX-License-Identifier: Apache-2.0
// task_facts.h - what the plugin knows of one Slurm task when it starts, and what its user asked for. Goes from the
// plugin to the daemon ("admit") and, once the task has a capsule, from its init to the daemon ("capsule"), again after
// every reconnection, so that a restarted daemon knows all there is to know.
//
// Ids, partition and node are Slurm's word, given by slurmstepd. Everything in `Request` is the user's, unchecked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/job_ref.h"
#include "common/message.h"
#include "common/result.h"

namespace stasis {

// Slurm's numbers for steps that are no srun (slurm/slurm.h; the same in every release we build for).
inline constexpr std::uint32_t kBatchStep = 0xfffffffb;
inline constexpr std::uint32_t kExternStep = 0xfffffffc;
inline constexpr std::uint32_t kInteractiveStep = 0xfffffffa;

// As the user wrote them; nullopt: not said.
struct Request {
  std::optional<std::string> every;            // --checkpoint-every
  std::optional<std::string> environment;      // SLURM_CHECKPOINT
  std::optional<std::string> requeue_on_ckpt;  // "yes", "no"
  std::optional<std::string> method;           // --checkpoint-method
  std::optional<std::string> dir;              // --checkpoint-dir
  std::optional<std::string> keep;             // --checkpoint-keep
  std::optional<std::string> with;             // --checkpoint-with
  std::optional<std::string> restore_failure;  // --restore-failure
  std::optional<std::string> from;             // --checkpoint-from

  friend bool operator==(const Request&, const Request&) = default;
};

struct TaskFacts {
  std::uint32_t job = 0;
  std::uint32_t array_job = 0;  // 0: the job is no task of an array
  std::uint32_t array_task = 0;
  std::uint32_t step = 0;
  std::uint32_t task = 0;   // the rank within the step
  std::uint32_t tasks = 1;  // of this step on this node
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t restarts = 0;  // how often Slurm has requeued the job
  std::string partition;
  std::string node;
  std::string command;  // the words of a step, as far as 4 KiB go; for a batch step its spooled script
  pid_t shim = 0;       // the task's own process, in slurmd's PID namespace
  Request request;

  // "812.batch", "812.0.3": for people and logs.
  std::string name() const;
  // Whether there is something that it would lose by starting from the beginning, a checkpoint of its own or of the
  // job that it is to go on from.
  bool may_have_checkpoint() const { return restarts > 0 || goes_on_from_another(); }
  // Only of a script there is something that another job can go on from.
  bool goes_on_from_another() const { return request.from.has_value() && step == kBatchStep; }
  // The job as Slurm's commands want it.
  JobRef ref() const { return array_job == 0 ? JobRef(job) : JobRef(job, array_job, array_task); }

  Message to_message(std::string verb) const;
  // corrupt: a field is missing or out of range.
  static Result<TaskFacts> from_message(const Message& message);

  friend bool operator==(const TaskFacts&, const TaskFacts&) = default;
};

// "batch", "extern", "interactive" or the number.
std::string step_name(std::uint32_t step);

}  // namespace stasis
