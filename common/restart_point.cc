// SPDX-License-Identifier: Apache-2.0
#include "common/restart_point.h"

#include <algorithm>

namespace stasis {
namespace {

constexpr char kScript[] = "batch";

const Generation* find(const std::vector<Generation>& list, std::uint32_t number) {
  const auto at = std::find_if(list.begin(), list.end(), [number](const auto& one) { return one.number == number; });
  return at == list.end() ? nullptr : &*at;
}

// The newest first: cut off anywhere, what is left ends with the one that was asked for or one that came after it.
Result<void> set_aside_after(const CheckpointStore& store, const JobKey& job, const std::string& part,
                             std::uint32_t number) {
  STASIS_LET(const auto generations, store.generations(job, part));
  for (auto at = generations.rbegin(); at != generations.rend() && at->number > number; ++at) {
    STASIS_TRY(store.put_aside(job, part, at->number));
  }
  return {};
}

// Of a step: the number of its last checkpoint that is no younger than `made_at`, 0 for none. One that cannot be read
// counts as younger: what is set aside can be put back.
Result<std::uint32_t> last_before(const CheckpointStore& store, const JobKey& job, const std::string& part,
                                  std::time_t made_at) {
  STASIS_LET(const auto generations, store.generations(job, part));
  for (auto at = generations.rbegin(); at != generations.rend(); ++at) {
    const auto manifest = store.read(*at, job, part);
    if (manifest && manifest->made_at <= made_at) return at->number;
  }
  return 0;
}

// When the choice before this one was an earlier checkpoint.
Result<void> bring_back_until(const CheckpointStore& store, const JobKey& job, const std::string& part,
                              std::time_t made_at) {
  STASIS_LET(const auto aside, store.set_aside(job, part));
  for (const auto& one : aside) {
    const auto manifest = store.read(one, job, part);
    if (manifest && manifest->made_at <= made_at) STASIS_TRY(store.bring_back(job, part, one.number));
  }
  return {};
}

Result<void> set_steps_back(const CheckpointStore& store, const std::vector<JobKey>& jobs, std::time_t made_at) {
  for (const auto& job : jobs) {
    STASIS_LET(const auto parts, store.parts(job));
    for (const auto& part : parts) {
      if (part == kScript) continue;
      STASIS_TRY(bring_back_until(store, job, part, made_at));
      STASIS_LET(const std::uint32_t last, last_before(store, job, part, made_at));
      STASIS_TRY(set_aside_after(store, job, part, last));
    }
  }
  return {};
}

// The script's checkpoints: of the last run of that id that has any.
Result<const JobKey*> script_of(const CheckpointStore& store, const std::vector<JobKey>& jobs) {
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    STASIS_LET(const auto generations, store.generations(*job, kScript));
    STASIS_LET(const auto aside, store.set_aside(*job, kScript));
    if (!generations.empty() || !aside.empty()) return &*job;
  }
  return fail(ErrorKind::not_found, "no checkpoint of its script is kept");
}

Result<void> go_back_to(const CheckpointStore& store, const std::vector<JobKey>& jobs, const JobKey& script,
                        std::uint32_t number) {
  STASIS_LET(const auto generations, store.generations(script, kScript));
  STASIS_LET(const auto aside, store.set_aside(script, kScript));
  const std::string name = "checkpoint " + std::to_string(number);
  const Generation* const here = find(generations, number);
  const Generation* const chosen = here != nullptr ? here : find(aside, number);
  if (chosen == nullptr) return fail(ErrorKind::not_found, "there is no " + name);
  STASIS_LET(const Manifest manifest, in_context(name, store.verify(*chosen, script, kScript)));
  STASIS_TRY(set_steps_back(store, jobs, manifest.made_at));
  if (here == nullptr) STASIS_TRY(store.bring_back(script, kScript, number));
  return set_aside_after(store, script, kScript, number);
}

}  // namespace

Result<void> choose_restart_point(const CheckpointStore& store, const std::vector<JobKey>& jobs, std::uint32_t number) {
  STASIS_LET(const JobKey* const script, script_of(store, jobs));
  if (number != 0) STASIS_TRY(go_back_to(store, jobs, *script, number));
  for (const auto& job : jobs) {
    STASIS_LET(const auto parts, store.parts(job));
    for (const auto& part : parts) STASIS_TRY(store.forget_failed_restores(job, part));
  }
  return {};
}

}  // namespace stasis
