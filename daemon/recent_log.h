// SPDX-License-Identifier: Apache-2.0
// recent_log.h - the last lines of the daemon's log, kept by job, so that a user can be shown those of his own.
//
// In memory, from the daemon's start on: what is older is in the journal, which is the administrator's.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/job_ref.h"
#include "common/log.h"

namespace stasis {

class RecentLog {
 public:
  struct Line {
    std::time_t at = 0;
    LogLevel level = LogLevel::info;
    std::string text;
  };

  // Lines beyond are forgotten, the oldest first.
  explicit RecentLog(std::size_t most = 4000) : most_(most) {}

  // From now on lines of that job are that user's. Those of an earlier job of the same id and another user are dropped.
  void set_owner(JobId job, uid_t uid);
  // A line of the log without the program's name; one that is about no job is not kept.
  void add(std::time_t at, LogLevel level, std::string_view text);
  // Root may have all lines, everybody else those of his own jobs.
  std::vector<Line> lines(JobId job, uid_t asker) const;

 private:
  struct Entry {
    JobId job = 0;
    Line line;
  };

  std::size_t most_;
  std::deque<Entry> entries_;
  std::map<JobId, uid_t> owners_;
};

}  // namespace stasis
