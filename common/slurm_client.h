// SPDX-License-Identifier: Apache-2.0
// slurm_client.h - talks to slurmctld, which may be slow or away: every call may block until its deadline.
//
// Behind it is scontrol in a process of its own: one stasisd serves every Slurm release, and neither Slurm's crashes
// nor its licence get into the daemon. Each call below is one request to slurmctld.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/deadline.h"
#include "common/job_ref.h"
#include "common/result.h"

namespace stasis {

struct JobInfo {
  JobId id = 0;
  JobRef ref;  // how to speak of it to Slurm
  std::string user;
  std::optional<std::uint32_t> uid;
  std::string state;  // as scontrol shows it: PENDING, RUNNING, COMPLETING, COMPLETED, CANCELLED, TIMEOUT, ...
  std::string reason;
  std::string partition;
  std::string nodes;
  std::string excluded_nodes;
  std::string required_nodes;
  std::uint32_t restarts = 0;
  bool requeue = false;               // Slurm may requeue it
  bool held = false;                  // pending, and not to be started before it is released
  std::optional<std::time_t> submit;  // a requeue sets it anew
  std::optional<std::time_t> start;
  std::optional<std::time_t> end;      // where its time limit ends; nullopt: no limit
  std::optional<std::time_t> preempt;  // since when it is being preempted, within its grace time
  std::string command;
  std::string admin_comment;

  bool completing() const { return state == "COMPLETING"; }
  bool pending() const { return state == "PENDING" || state == "REQUEUED" || state == "REQUEUE_HOLD"; }
  bool running() const { return state == "RUNNING"; }
  // Nothing of it runs, or will unless somebody requeues it. A state that is not known is none of these.
  bool over() const;
};

struct PartitionInfo {
  std::chrono::seconds grace{0};  // between the decision to preempt a job and its end
  std::string preempt_mode;       // REQUEUE, CANCEL, SUSPEND, OFF; empty: the cluster's
};

// One "Key=Value Key=Value" line of `scontrol -o show ...`. Values with blanks keep them when the next word has no '='.
std::map<std::string, std::string> parse_scontrol_line(const std::string& line);
// The same of a job. Its name, any text of its user's, cannot hide what stands behind it.
Result<std::map<std::string, std::string>> parse_job_fields(const std::string& line);
Result<JobInfo> job_of(const std::map<std::string, std::string>& fields);
Result<JobInfo> parse_job(const std::string& line);

class SlurmClient {
 public:
  virtual ~SlurmClient() = default;

  // not_found: Slurm does not know the job (any more). Of this and every call below, busy or timed_out: slurmctld is
  // away.
  virtual Result<JobInfo> job(const JobRef& job, Deadline deadline) = 0;
  // Puts the job back in the queue; returns when its state has changed. Repeatable: one that is pending is done.
  virtual Result<void> requeue(const JobRef& job, Deadline deadline) = 0;
  virtual Result<void> requeue_and_hold(const JobRef& job, Deadline deadline) = 0;
  // `scontrol update JobId=N FIELD=VALUE...`
  virtual Result<void> update(const JobRef& job, const std::vector<std::string>& fields, Deadline deadline) = 0;
  // Lets a held job run again.
  virtual Result<void> release(const JobRef& job, Deadline deadline) = 0;
  virtual Result<PartitionInfo> partition(const std::string& name, Deadline deadline) = 0;
  // Jobs that a requeue has put back and that wait for nothing but their begin time: ref.name, reason and admin_comment
  // of each. Loads the whole queue: for rare events only.
  virtual Result<std::vector<JobInfo>> held_back(Deadline deadline) = 0;
  // "n[1-3],n7" -> n1 n2 n3 n7
  virtual Result<std::vector<std::string>> host_names(const std::string& list, Deadline deadline) = 0;
  // slurm.conf as slurmctld has it.
  virtual Result<std::map<std::string, std::string>> configuration(Deadline deadline) = 0;
};

class Scontrol final : public SlurmClient {
 public:
  explicit Scontrol(std::string program) : program_(std::move(program)) {}

  Result<JobInfo> job(const JobRef& job, Deadline deadline) override;
  Result<void> requeue(const JobRef& job, Deadline deadline) override;
  Result<void> requeue_and_hold(const JobRef& job, Deadline deadline) override;
  Result<void> update(const JobRef& job, const std::vector<std::string>& fields, Deadline deadline) override;
  Result<void> release(const JobRef& job, Deadline deadline) override;
  // All of the job's record, as scontrol names it. Fails as job() does.
  Result<std::map<std::string, std::string>> fields(const JobRef& job, Deadline deadline);
  // As its owner may, so that he may release it, too.
  Result<void> hold(const JobRef& job, Deadline deadline);
  Result<PartitionInfo> partition(const std::string& name, Deadline deadline) override;
  Result<std::vector<JobInfo>> held_back(Deadline deadline) override;
  Result<std::vector<std::string>> host_names(const std::string& list, Deadline deadline) override;
  Result<std::map<std::string, std::string>> configuration(Deadline deadline) override;

 private:
  Result<std::string> call(std::vector<std::string> arguments, Deadline deadline);
  Result<std::string> call(const std::string& program, std::vector<std::string> arguments, Deadline deadline);

  std::string program_;
};

}  // namespace stasis
