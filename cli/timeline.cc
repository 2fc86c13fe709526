// SPDX-License-Identifier: Apache-2.0
#include "cli/timeline.h"

#include <algorithm>

namespace stasis {
namespace {

constexpr int kNarrowest = 20;
// "  10:02  requeued": what stands behind the line.
constexpr int kBehind = 26;

struct Letters {
  const char *running, *checkpoint, *end, *goes_on;
};
constexpr Letters kAscii{"=", "o", "|", ">"};
constexpr Letters kUnicode{"\u2501", "\u25cf", "\u2578", "\u25b8"};

// What happened within a day has its time, what is longer its date.
std::string moment(std::time_t at, bool with_date) {
  char text[32];
  std::strftime(text, sizeof text, with_date ? "%m-%d %H:%M" : "%H:%M:%S", std::localtime(&at));
  return text;
}

}  // namespace

std::vector<std::string> draw_timeline(const std::vector<TimelineRun>& runs, const std::vector<TimelineMark>& marks,
                                       std::time_t now, int width, bool unicode) {
  std::vector<std::string> lines;
  if (runs.empty()) return lines;
  const Letters& letters = unicode ? kUnicode : kAscii;
  std::size_t name_width = 0;
  std::time_t first = now;
  std::time_t last = 0;
  for (const auto& run : runs) {
    name_width = std::max(name_width, run.node.size());
    first = std::min(first, run.start);
    last = std::max(last, run.end == 0 ? now : run.end);
  }
  const int columns = std::max(kNarrowest, width - static_cast<int>(name_width) - 2 - kBehind);
  const std::time_t span = std::max<std::time_t>(1, last - first);
  const auto column = [&](std::time_t at) {
    return static_cast<int>(std::clamp<std::time_t>((at - first) * (columns - 1) / span, 0, columns - 1));
  };
  for (const auto& run : runs) {
    const std::time_t end = run.end == 0 ? now : run.end;
    std::vector<const char*> cells(static_cast<std::size_t>(columns), " ");
    for (int at = column(run.start); at < column(end); ++at) cells[static_cast<std::size_t>(at)] = letters.running;
    cells[static_cast<std::size_t>(column(end))] = run.end == 0 ? letters.goes_on : letters.end;
    for (const auto& mark : marks) {
      if (mark.node != run.node || mark.at < run.start || mark.at > end) continue;
      cells[static_cast<std::size_t>(column(mark.at))] = letters.checkpoint;
    }
    std::string line = run.node + std::string(name_width - run.node.size() + 2, ' ');
    for (const char* cell : cells) line += cell;
    lines.push_back(line + "  " + moment(run.start, span > 86400) + "  " + run.outcome);
  }
  return lines;
}

}  // namespace stasis
