// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/daemon_question.h"
#include "cli/terminal.h"
#include "cli/views.h"
#include "common/log.h"
#include "common/protocol.h"

namespace stasis {
namespace {

std::string text_of(const Message& message, const char* key) { return std::string(message.get(key).value_or("")); }
std::int64_t number_of(const Message& message, const char* key) {
  return message.get_int(key, 0, INT64_MAX).value_or(0);
}

Json to_json(JobId job, const std::vector<Message>& answers, bool possible) {
  Json parts = Json::array();
  for (const auto& answer : answers) {
    if (answer.verb() == "checked") {
      parts.push_back({{"part", text_of(answer, "part")},
                       {"processes", number_of(answer, "processes")},
                       {"bytes", number_of(answer, "bytes")},
                       {"obstacles", Json::array()}});
    } else if (!parts.empty()) {
      parts.back()["obstacles"].push_back({{"process", number_of(answer, "process")},
                                           {"program", text_of(answer, "program")},
                                           {"object", text_of(answer, "object")},
                                           {"advice", text_of(answer, "advice")},
                                           {"blocks", answer.get("blocks") == "1"}});
    }
  }
  return {{"job", job}, {"can_be_checkpointed", possible}, {"parts", parts}};
}

void print(const std::vector<Message>& answers) {
  const auto terminal = Terminal::of_stdout();
  for (const auto& answer : answers) {
    if (answer.verb() == "checked") {
      fmt::print("{}: {} processes, {} of memory\n", printable(text_of(answer, "name")), number_of(answer, "processes"),
                 format_size(static_cast<std::uint64_t>(number_of(answer, "bytes"))));
    } else {
      const bool blocks = answer.get("blocks") == "1";
      fmt::print("  {} process {} ({}) has {}\n        {}\n",
                 blocks ? terminal.ink(Ink::bad, "bad  ") : terminal.ink(Ink::warning, "doubt"),
                 number_of(answer, "process"), printable(text_of(answer, "program")),
                 printable(text_of(answer, "object")), printable(text_of(answer, "advice")));
    }
  }
}

}  // namespace

Result<void> check_job(const Config& config, JobId job, const View& view) {
  STASIS_LET(const auto answers, in_context("check", ask_daemon(config, Message(verb::kCheck).add("job", job))));
  bool possible = true;
  bool doubt = false;
  for (const auto& answer : answers) {
    if (answer.verb() != "obstacle") continue;
    doubt = true;
    if (answer.get("blocks") == "1") possible = false;
  }
  if (view.json) {
    print_json(to_json(job, answers, possible), {});
  } else {
    print(answers);
    if (!doubt) fmt::print("nothing in the way of a checkpoint; `stasis checkpoint {}` makes one\n", job);
  }
  if (possible) return {};
  return fail(ErrorKind::unsupported, fmt::format("check: job {} cannot be checkpointed as it is now", job));
}

}  // namespace stasis
