// SPDX-License-Identifier: Apache-2.0
// job_parts.h - which parts of which jobs run protected on this node: a job's script and the tasks of its steps each
// have a keeper of their own, and when the job has to leave they have to know of each other.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "common/task_facts.h"

namespace stasis {

class JobParts {
 public:
  // `leave` is called when a step of the script's job is about to leave; it must not wait.
  using Leave = std::function<void()>;

  void add_script(JobId job, Leave leave) { scripts_[job] = std::move(leave); }
  void remove_script(JobId job) { scripts_.erase(job); }
  void add_step(JobId job) { ++steps_[job]; }
  void remove_step(JobId job) {
    if (const auto at = steps_.find(job); at != steps_.end() && --at->second == 0) steps_.erase(at);
  }

  bool has_script(JobId job) const { return scripts_.count(job) != 0; }
  bool has_steps(JobId job) const { return steps_.count(job) != 0; }

  // Before a step of that job leaves, so that its script sees nothing of it.
  void script_leaves(JobId job) const {
    const auto script = scripts_.find(job);
    if (script == scripts_.end()) return;
    // A copy: it may remove itself.
    const Leave leave = script->second;
    leave();
  }

 private:
  std::map<JobId, Leave> scripts_;
  std::map<JobId, int> steps_;
};

}  // namespace stasis
