// SPDX-License-Identifier: Apache-2.0
// job_fields.h - what a worker tells its daemon about a job, as far as it decides when the next checkpoint is due.
#pragma once

#include "common/message.h"
#include "common/slurm_client.h"

namespace stasis {

//   restarts, excluded, end?, preempt?, submitted?
inline void add_job_fields(Message& message, const JobInfo& job) {
  message.add("restarts", job.restarts).add("excluded", job.excluded_nodes);
  if (job.end) message.add("end", *job.end);
  if (job.submit) message.add("submitted", *job.submit);
  if (job.preempt) message.add("preempt", *job.preempt);
}

}  // namespace stasis
