// SPDX-License-Identifier: Apache-2.0
#include "daemon/answers.h"

#include "common/protocol.h"

namespace stasis {
namespace {

// In answers, so that the words keep their meaning.
const char* to_string(RunKeeper::Phase phase) {
  switch (phase) {
    case RunKeeper::Phase::starting:
      return "starting";
    case RunKeeper::Phase::restoring:
      return "restoring";
    case RunKeeper::Phase::running:
      return "running";
    case RunKeeper::Phase::leaving:
      return "leaving";
  }
  return "unknown";
}

}  // namespace

Message describe_run(const Run& run, RunKeeper::Phase phase, const RunRecord& record, std::time_t now) {
  const TaskFacts& facts = run.facts;
  Message message("run");
  message.add("name", run.name()).add("job", facts.job).add("part", run.part);
  message.add("uid", static_cast<std::int64_t>(facts.uid)).add("phase", to_string(phase)).add("node", facts.node);
  message.add("partition", facts.partition).add("interval", run.protection.interval.count());
  message.add("requeue_on_ckpt", run.protection.requeue_on_ckpt ? 1 : 0).add("restarts", facts.restarts);
  message.add("first_start", run.key.first_start).add("began", record.began).add("number", record.number);
  message.add("made_at", record.made_at).add("bytes", static_cast<std::int64_t>(record.bytes));
  message.add("frozen_ms", record.frozen_ms).add("took_ms", record.took_ms).add("next_due", record.next_due);
  message.add("method", to_string(run.protection.method));
  if (const auto& automatic = run.protection.automatic) {
    message.add("auto_cost_ms", automatic->cost.count()).add("auto_measured", automatic->measured ? 1 : 0);
    message.add("auto_failures", automatic->mean_time_between_failures.count());
    message.add("auto_bound", to_string(automatic->bound));
  }
  return message.add("at_risk", record.at_risk(now).count()).add("trouble", record.trouble.substr(0, 4096));
}

std::vector<Message> describe_log(const std::vector<RecentLog::Line>& lines) {
  std::vector<Message> messages;
  messages.reserve(lines.size());
  for (const auto& line : lines) {
    messages.push_back(
        Message("line").add("at", line.at).add("level", static_cast<int>(line.level)).add("text", line.text));
  }
  return messages;
}

}  // namespace stasis
