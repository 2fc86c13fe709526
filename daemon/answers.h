// SPDX-License-Identifier: Apache-2.0
// answers.h - what a daemon tells people about its runs. Pure.
#pragma once

#include <ctime>
#include <vector>

#include "common/message.h"
#include "daemon/recent_log.h"
#include "daemon/run.h"
#include "daemon/run_keeper.h"
#include "daemon/run_record.h"

namespace stasis {

//   run (name, job, part, uid, phase, node, partition, interval, requeue_on_ckpt, restarts, first_start, began, number,
//        made_at, bytes, frozen_ms, took_ms, next_due, at_risk, trouble, method, and with --checkpoint-every=auto
//        auto_cost_ms, auto_measured, auto_failures, auto_bound)
//
// Times are seconds since the epoch, 0 where there is none. phase: starting, restoring, running, leaving. Not in `runs`
// for others than root and the run's own user.
Message describe_run(const Run& run, RunKeeper::Phase phase, const RunRecord& record, std::time_t now);
//   line (at, level, text), for each
std::vector<Message> describe_log(const std::vector<RecentLog::Line>& lines);

}  // namespace stasis
