// SPDX-License-Identifier: Apache-2.0
#include "cli/job_list.h"

#include <algorithm>
#include <ctime>

#include "common/checkpoint_comment.h"
#include "common/size_spec.h"

namespace stasis {
namespace {

void take_comment(const CheckpointComment& comment, ListedJob& listed) {
  listed.number = comment.number;
  std::tm when{};
  if (::strptime(comment.when.c_str(), "%Y-%m-%dT%H:%M:%S", &when) != nullptr) {
    when.tm_isdst = -1;
    listed.made_at = std::mktime(&when);
  }
  std::string size = comment.size;
  size.erase(std::remove(size.begin(), size.end(), ' '), size.end());
  listed.bytes = parse_size(size).value_or(0);
}

// The daemon where it runs knows best.
void take_run(const Message& run, ListedJob& listed) {
  const auto number = [&run](const char* key) { return run.get_int(key, 0, INT64_MAX).value_or(0); };
  if (number("made_at") >= listed.made_at && number("number") > 0) {
    listed.number = static_cast<std::uint32_t>(number("number"));
    listed.made_at = number("made_at");
    if (number("bytes") > 0) listed.bytes = static_cast<std::uint64_t>(number("bytes"));
  }
  if (number("next_due") > 0) listed.next_due = number("next_due");
  listed.trouble = run.get("trouble").value_or("");
}

// A job's script speaks for it; where only steps are protected, the first of them.
const Message* run_of(const std::vector<Message>& runs, JobId job) {
  const Message* found = nullptr;
  for (const auto& run : runs) {
    if (run.get_int("job", 1, UINT32_MAX).value_or(0) != job) continue;
    if (run.get("part") == "batch") return &run;
    if (found == nullptr) found = &run;
  }
  return found;
}

}  // namespace

std::vector<ListedJob> put_together(const std::vector<QueuedJob>& queue, const std::vector<Message>& runs,
                                    const std::optional<std::map<JobId, std::size_t>>& stored, std::time_t now) {
  std::vector<ListedJob> list;
  for (const auto& job : queue) {
    const auto comment = parse_checkpoint_comment(job.admin_comment);
    const Message* const run = run_of(runs, job.id);
    std::size_t kept = 0;
    if (stored) {
      const auto found = stored->find(job.id);
      if (found != stored->end()) kept = found->second;
    }
    if (!comment && run == nullptr && kept == 0) continue;
    ListedJob listed;
    listed.job = job;
    if (comment) take_comment(*comment, listed);
    if (run != nullptr) take_run(*run, listed);
    if (stored) listed.generations = kept;
    if (job.state == "RUNNING" && job.start > 0) {
      listed.at_risk = std::max<std::int64_t>(0, now - std::max(job.start, listed.made_at));
    }
    list.push_back(std::move(listed));
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.job.id < b.job.id; });
  return list;
}

Json to_json(const ListedJob& one) {
  return {{"job", one.job.id},
          {"name", one.job.name},
          {"user", one.job.user},
          {"uid", one.job.uid},
          {"state", one.job.state},
          {"reason", one.job.reason},
          {"node", one.job.node},
          {"start", time_or_null(one.job.start)},
          {"checkpoint", one.number == 0 ? Json() : Json(one.number)},
          {"made_at", time_or_null(one.made_at)},
          {"bytes", one.number == 0 ? Json() : Json(one.bytes)},
          {"generations", one.generations ? Json(*one.generations) : Json()},
          {"next_due", one.next_due ? Json(*one.next_due) : Json()},
          {"at_risk", one.at_risk ? Json(*one.at_risk) : Json()},
          {"trouble", one.trouble.empty() ? Json() : Json(one.trouble)}};
}

}  // namespace stasis
