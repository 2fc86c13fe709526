// SPDX-License-Identifier: Apache-2.0
#include "common/task_facts.h"

#include <limits>
#include <utility>

namespace stasis {
namespace {

constexpr std::int64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
// Slurm's NO_VAL.
constexpr std::uint32_t kNoArrayTask = 0xfffffffe;

// The optional fields of a request, by their names in a message.
constexpr std::pair<const char*, std::optional<std::string> Request::*> kRequestFields[] = {
    {"every", &Request::every},
    {"environment", &Request::environment},
    {"requeue_on_ckpt", &Request::requeue_on_ckpt},
    {"method", &Request::method},
    {"dir", &Request::dir},
    {"keep", &Request::keep},
    {"with", &Request::with},
    {"restore_failure", &Request::restore_failure},
    {"from", &Request::from},
};

template <class Int>
Result<void> read_number(const Message& message, const char* key, std::int64_t max, Int& value) {
  STASIS_LET(const std::int64_t number, message.get_int(key, 0, max));
  value = static_cast<Int>(number);
  return {};
}

Result<void> read_text(const Message& message, const char* key, std::string& value) {
  const auto text = message.get(key);
  if (!text) return fail(ErrorKind::corrupt, std::string("message without ") + key);
  value = *text;
  return {};
}

}  // namespace

std::string step_name(std::uint32_t step) {
  switch (step) {
    case kBatchStep:
      return "batch";
    case kExternStep:
      return "extern";
    case kInteractiveStep:
      return "interactive";
    default:
      return std::to_string(step);
  }
}

std::string TaskFacts::name() const {
  std::string text = std::to_string(job) + "." + step_name(step);
  if (step != kBatchStep) text += "." + std::to_string(task);
  return text;
}

Message TaskFacts::to_message(std::string verb) const {
  Message message(std::move(verb));
  message.add("job", job).add("step", step).add("task", task).add("tasks", tasks).add("uid", uid).add("gid", gid);
  message.add("restarts", restarts).add("partition", partition).add("node", node).add("command", command);
  message.add("shim", shim);
  if (array_job != 0) message.add("array_job", array_job).add("array_task", array_task);
  for (const auto& [key, member] : kRequestFields) {
    if (request.*member) message.add(key, *(request.*member));
  }
  return message;
}

Result<TaskFacts> TaskFacts::from_message(const Message& message) {
  TaskFacts facts;
  STASIS_TRY(read_number(message, "job", kMaxU32, facts.job));
  STASIS_TRY(read_number(message, "step", kMaxU32, facts.step));
  STASIS_TRY(read_number(message, "task", kMaxU32, facts.task));
  STASIS_TRY(read_number(message, "tasks", kMaxU32, facts.tasks));
  STASIS_TRY(read_number(message, "uid", kMaxU32, facts.uid));
  STASIS_TRY(read_number(message, "gid", kMaxU32, facts.gid));
  STASIS_TRY(read_number(message, "restarts", kMaxU32, facts.restarts));
  STASIS_TRY(read_number(message, "shim", std::numeric_limits<pid_t>::max(), facts.shim));
  if (message.has("array_job")) {
    STASIS_TRY(read_number(message, "array_job", kMaxU32, facts.array_job));
    STASIS_TRY(read_number(message, "array_task", kMaxU32, facts.array_task));
    // A step of a job that is no task of an array has its own id here; and no job has the id 0.
    if (facts.array_job == 0 || facts.array_task == kNoArrayTask) facts.array_job = facts.array_task = 0;
  }
  STASIS_TRY(read_text(message, "partition", facts.partition));
  STASIS_TRY(read_text(message, "node", facts.node));
  STASIS_TRY(read_text(message, "command", facts.command));
  for (const auto& [key, member] : kRequestFields) {
    if (const auto text = message.get(key)) facts.request.*member = std::string(*text);
  }
  return facts;
}

}  // namespace stasis
