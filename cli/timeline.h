// SPDX-License-Identifier: Apache-2.0
// timeline.h - the life of a job as lines of text: one per run, all on the same scale, with its checkpoints.
//
//   n1  ====o====o===|                                  10:02  requeued
//   n2                    ===o====o====>                10:31  running
#pragma once

#include <ctime>
#include <string>
#include <vector>

namespace stasis {

struct TimelineRun {
  std::string node;
  std::time_t start = 0;
  std::time_t end = 0;  // 0: it runs
  std::string outcome;
};

struct TimelineMark {
  std::string node;
  std::time_t at = 0;
};

// Lines without their ends. Runs are in order; a mark is drawn in the run on its node at its time, or nowhere.
// `width`: of the whole line at most, but for long names.
std::vector<std::string> draw_timeline(const std::vector<TimelineRun>& runs, const std::vector<TimelineMark>& marks,
                                       std::time_t now, int width, bool unicode);

}  // namespace stasis
