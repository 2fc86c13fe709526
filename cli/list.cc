// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "cli/caller.h"
#include "cli/daemon_question.h"
#include "cli/job_list.h"
#include "cli/table.h"
#include "cli/views.h"
#include "common/log.h"
#include "common/protocol.h"

namespace stasis {
namespace {

// nullopt: of everybody.
Result<std::optional<uid_t>> whose(const std::string& user, bool all) {
  const uid_t caller = ::geteuid();
  if (user.empty()) {
    if (caller == 0) return std::optional<uid_t>();
    if (all) return fail(ErrorKind::denied, "list: only root may see the jobs of all users");
    return std::optional(caller);
  }
  uid_t uid = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), uid);
  if (error != std::errc() || end != user.data() + user.size()) {
    const passwd* const entry = ::getpwnam(user.c_str());
    if (entry == nullptr) return fail(ErrorKind::not_found, "list: there is no user '" + user + "'");
    uid = entry->pw_uid;
  }
  if (caller != 0 && uid != caller) return fail(ErrorKind::denied, "list: only root may see the jobs of other users");
  return std::optional(uid);
}

using Counted = std::map<JobId, std::size_t>;  // by job, how many checkpoints its parts have at most

// Where the store is root's, by the daemon of this node, which may look. It is asked once for each job.
Result<Counted> ask_for_count(const Config& config, const std::vector<QueuedJob>& queue) {
  Counted counted;
  for (const auto& job : queue) {
    const auto found = look_up(config, {job.id, std::nullopt}, LookAt::manifests);
    if (!found && is_without_daemon(found.error())) return fail(found.error());
    if (!found) continue;
    std::map<std::string, std::size_t> parts;
    for (const auto& checkpoint : *found) {
      if (!checkpoint.aside) counted[job.id] = std::max(counted[job.id], ++parts[checkpoint.part]);
    }
  }
  return counted;
}

// Needs no key, but to be let in.
Result<Counted> count_stored(const Config& config, std::optional<uid_t> user, const std::vector<QueuedJob>& queue) {
  STASIS_LET(const std::string cluster, cluster_name(config));
  const CheckpointStore store(config.store, Keys());
  std::vector<JobKey> keys;
  if (!user) {
    STASIS_LET(keys, store.all_jobs(cluster));
  } else {
    for (const auto& job : queue) {
      STASIS_LET(const auto some, store.jobs(cluster, *user, job.id));
      keys.insert(keys.end(), some.begin(), some.end());
    }
  }
  Counted counted;
  for (const auto& key : keys) {
    if (std::none_of(queue.begin(), queue.end(), [&](const auto& job) { return job.id == key.job; })) continue;
    STASIS_LET(const auto parts, store.parts(key));
    for (const auto& part : parts) {
      STASIS_LET(const auto generations, store.generations(key, part));
      counted[key.job] = std::max(counted[key.job], generations.size());
    }
  }
  return counted;
}

Table table_of(const std::vector<ListedJob>& jobs, std::time_t now) {
  Table table({"JOB", "USER", "STATE", "NODE", ">CHECKPOINT", ">AGE", ">SIZE", ">KEPT", ">NEXT", ">AT RISK"});
  for (const auto& one : jobs) {
    const bool has = one.number != 0;
    const bool late = one.at_risk && one.next_due && *one.next_due < now;
    table.add({{printable(one.job.name)},
               {printable(one.job.user)},
               {printable(one.job.state), one.job.state == "RUNNING" ? Ink::good : Ink::plain},
               {printable(one.job.node)},
               {has ? std::to_string(one.number) : "", one.trouble.empty() ? Ink::plain : Ink::warning},
               {has && one.made_at > 0 ? short_time(now - one.made_at) : ""},
               {has ? format_size(one.bytes) : ""},
               {one.generations ? std::to_string(*one.generations) : ""},
               {one.next_due ? short_time(*one.next_due - now) : ""},
               {one.at_risk ? short_time(*one.at_risk) : "", late ? Ink::warning : Ink::plain}});
  }
  return table;
}

}  // namespace

Result<void> list_jobs(const Config& config, const std::string& user, bool all, const View& view) {
  STASIS_LET(const auto of, whose(user, all));
  STASIS_LET(const auto queue, in_context("list", queued_jobs(config, of)));
  Notes notes;
  auto runs = ask_daemon(config, Message(verb::kRuns));
  const bool asked = runs.has_value();
  if (!asked) {
    notes.push_back(
        "no answer from a stasisd on this machine: when a checkpoint is due, and jobs that have none yet, "
        "only the job's node can tell (" +
        runs.error().message + ")");
    runs = std::vector<Message>();
  }
  auto counted = count_stored(config, of, queue);
  if (!counted && counted.error().kind == ErrorKind::denied && asked) counted = ask_for_count(config, queue);
  std::optional<Counted> stored;
  if (counted) {
    stored = *counted;
  } else {
    notes.push_back("how many checkpoints are kept is not known here: " + counted.error().message);
  }
  const std::time_t now = std::time(nullptr);
  const auto jobs = put_together(queue, *runs, stored, now);
  const bool elsewhere =
      std::any_of(jobs.begin(), jobs.end(), [](const auto& one) { return one.at_risk && !one.next_due; });
  if (asked && elsewhere) {
    notes.emplace_back("jobs on other nodes: when their next checkpoint is due only the node can tell");
  }
  const auto untold = std::count_if(queue.begin(), queue.end(), [&](const auto& job) {
    return job.state == "RUNNING" &&
           std::none_of(jobs.begin(), jobs.end(), [&](const auto& one) { return one.job.id == job.id; });
  });
  if (asked && untold > 0) {
    notes.push_back(fmt::format(
        "{} running job{} not listed: no checkpoint yet, and whether there will be any only the job's node can tell",
        untold, untold == 1 ? " is" : "s are"));
  }
  if (view.json) {
    Json list = Json::array();
    for (const auto& one : jobs) list.push_back(to_json(one));
    print_json({{"jobs", list}}, notes);
    return {};
  }
  if (jobs.empty()) fmt::print("no protected jobs\n");
  if (!jobs.empty()) fmt::print("{}", table_of(jobs, now).text(Terminal::of_stdout()));
  for (const auto& one : jobs) {
    if (!one.trouble.empty()) fmt::print("job {}: last checkpoint failed: {}\n", one.job.name, printable(one.trouble));
  }
  print_notes(notes);
  return {};
}

}  // namespace stasis
