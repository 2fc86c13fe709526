// SPDX-License-Identifier: Apache-2.0
// job_ref.h - a job's number, and the name by which Slurm's commands mean that job and no other.
//
// The last task of an array has the array's own number: `scontrol requeue 46` means all of the array, 46_4 that task.
#pragma once

#include <cstdint>
#include <string>

namespace stasis {

using JobId = std::uint32_t;

struct JobRef {
  JobId id = 0;
  std::string name;

  JobRef() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a job that is no array's task is its number.
  JobRef(JobId number) : id(number), name(std::to_string(number)) {}
  JobRef(JobId number, JobId array, std::uint32_t task)
      : id(number), name(std::to_string(array) + "_" + std::to_string(task)) {}
};

}  // namespace stasis
