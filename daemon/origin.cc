// SPDX-License-Identifier: Apache-2.0
#include "daemon/origin.h"

#include <algorithm>

#include "common/checkpoint_name.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};
constexpr char kScript[] = "batch";

Result<void> check_is_over(const JobRef& ref, uid_t uid, SlurmClient& slurm) {
  const auto job = slurm.job(ref, Deadline::in(kSlurmAnswers));
  if (!job && job.error().kind == ErrorKind::not_found) return {};
  if (!job)
    return fail(job.error().kind == ErrorKind::timed_out ? ErrorKind::busy : job.error().kind, job.error().message);
  // Numbers come round again.
  if (job->uid && *job->uid != uid) return {};
  if (job->over()) return {};
  if (job->completing()) return fail(ErrorKind::busy, "job " + ref.name + " is about to end");
  return fail(ErrorKind::failed, "job " + ref.name + " is " + job->state +
                                     ", and both would write the same files: end it first, by `scontrol requeuehold " +
                                     ref.name + "` and `scancel " + ref.name + "`, so that its checkpoints stay");
}

Result<std::vector<Generation>> candidates(const CheckpointStore& store, const JobKey& job,
                                           std::optional<std::uint32_t> number) {
  STASIS_LET(auto found, store.generations(job, kScript));
  std::reverse(found.begin(), found.end());
  if (!number) return found;
  // One that its own job shall not go on from can be named all the same.
  STASIS_LET(const auto aside, store.set_aside(job, kScript));
  found.insert(found.end(), aside.begin(), aside.end());
  std::erase_if(found, [number](const Generation& one) { return one.number != *number; });
  return found;
}

}  // namespace

Result<Origin> find_origin(const Run& run, const CheckpointStore& store, SlurmClient& slurm) {
  STASIS_LET(const CheckpointName name, parse_checkpoint_name(run.facts.request.from.value_or("")));
  if (run.facts.array_job != 0) {
    return fail(ErrorKind::unsupported, "the tasks of an array cannot go on from one checkpoint, in the same files");
  }
  STASIS_TRY(check_is_over(JobRef(name.job), run.facts.uid, slurm));
  STASIS_LET(const auto jobs, store.jobs(run.key.cluster, run.facts.uid, name.job));
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    STASIS_LET(auto generations, candidates(store, *job, name.number));
    if (!generations.empty()) return Origin{*job, std::move(generations)};
  }
  const std::string which = name.number ? "checkpoint " + std::to_string(*name.number) : "checkpoint of the script";
  return fail(ErrorKind::not_found, "no " + which + " of a job " + std::to_string(name.job) +
                                        " of this user is where this job's own would be");
}

}  // namespace stasis
