// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ctime>

#include "cli/daemon_question.h"
#include "cli/terminal.h"
#include "cli/views.h"
#include "common/log.h"
#include "common/protocol.h"

namespace stasis {
namespace {

const char* word_of(std::int64_t level) {
  if (level <= 3) return "error";
  return level == 4 ? "warning" : "info";
}

Ink ink_of(std::int64_t level) {
  if (level <= 3) return Ink::bad;
  return level == 4 ? Ink::warning : Ink::plain;
}

}  // namespace

Result<void> show_log(const Config& config, JobId job, const View& view) {
  STASIS_LET(const auto lines, in_context("log", ask_daemon(config, Message(verb::kLog).add("job", job))));
  Notes notes;
  if (lines.empty()) {
    notes.push_back(
        fmt::format("stasisd of this node has said nothing about a job {} of yours since it was started", job));
  }
  const auto terminal = Terminal::of_stdout();
  Json list = Json::array();
  for (const auto& line : lines) {
    const std::time_t at = line.get_int("at", 0, INT64_MAX).value_or(0);
    const auto level = line.get_int("level", 0, 7).value_or(6);
    const std::string text = printable(line.get("text").value_or(""));
    if (view.json) {
      list.push_back({{"at", at}, {"level", word_of(level)}, {"text", text}});
      continue;
    }
    char when[32];
    std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", std::localtime(&at));
    fmt::print("{} {}\n", when, terminal.ink(ink_of(level), text));
  }
  if (view.json) {
    print_json({{"job", job}, {"lines", list}}, notes);
  } else {
    print_notes(notes);
  }
  return {};
}

}  // namespace stasis
