// SPDX-License-Identifier: Apache-2.0
#include "common/janitor.h"

#include <algorithm>

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

bool is_over(const JobInfo& job) {
  // A job that was killed by its limits can be requeued by its user still, for as long as Slurm knows it.
  return job.state == "COMPLETED" || job.state == "CANCELLED";
}

}  // namespace

JanitorReport clean_store(const CheckpointStore& store, const std::string& cluster, SlurmClient& slurm,
                          const JanitorRules& rules, const std::function<void(std::chrono::milliseconds)>& wait) {
  JanitorReport report;
  const auto note = [&report](const Error& error) {
    ++report.failed;
    report.why = error.message;
  };
  const auto jobs = store.all_jobs(cluster);
  if (!jobs) {
    note(jobs.error());
    return report;
  }
  for (const JobKey& job : *jobs) {
    if (report.removed >= rules.most) return report;
    const auto idle = store.idle_for(job);
    // One that is half removed has no age any more.
    const bool half_removed = !idle && idle.error().kind == ErrorKind::not_found;
    if (!half_removed) {
      if (!idle) {
        note(idle.error());
        continue;
      }
      if (*idle < rules.idle_for) {
        ++report.kept;
        continue;
      }
      wait(rules.pause);
      const auto known = slurm.job(JobRef(job.job), Deadline::in(kSlurmAnswers));
      if (!known && known.error().kind != ErrorKind::not_found) {
        note(known.error());
        return report;
      }
      if (known && !is_over(*known)) {
        ++report.kept;
        continue;
      }
    }
    if (const auto removed = store.remove(job); removed) {
      ++report.removed;
    } else {
      note(removed.error());
    }
  }
  return report;
}

}  // namespace stasis
