// SPDX-License-Identifier: Apache-2.0
// services.h - what every run's keeper works with: one of each per daemon.
#pragma once

#include <map>
#include <string>

#include "common/config.h"
#include "common/log.h"
#include "common/slurm_client.h"
#include "common/store.h"
#include "daemon/dump_budget.h"
#include "daemon/event_loop.h"
#include "daemon/job_parts.h"
#include "daemon/metrics.h"
#include "daemon/worker.h"

namespace stasis {

struct Services {
  Services(Config configuration, Keys keys, const Log& to)
      : config(std::move(configuration)), store(config.store, std::move(keys)), slurm(config.scontrol), log(to) {}

  Config config;
  CheckpointStore store;
  Scontrol slurm;
  const Log& log;
  EventLoop loop;
  Workers workers{loop};
  // What slurmctld told at the start, and of partitions when they were met first.
  bool knows_slurm = false;
  bool keeps_tmp = false;              // jobs have a private /tmp from job_container
  bool tree_signalled = false;         // proctrack/linuxproc signals every process of a job
  std::chrono::seconds kill_wait{30};  // between SIGTERM and SIGKILL; Slurm's default
  std::map<std::string, PartitionInfo> partitions;
  JobParts parts;
  Metrics metrics;
  NodeSpeed speed;
};

// What a worker may take for an answer from slurmctld.
inline constexpr std::chrono::seconds kSlurmAnswers{60};

}  // namespace stasis
