// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "cli/caller.h"
#include "cli/checkpoint_json.h"
#include "cli/daemon_question.h"
#include "cli/slurm_queue.h"
#include "cli/table.h"
#include "cli/timeline.h"
#include "cli/views.h"
#include "common/log.h"
#include "common/protocol.h"
#include "common/slurm_client.h"
#include "common/time_spec.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

// What each of those who know a part has to say.
struct Life {
  JobId id = 0;
  std::optional<JobInfo> job;  // nullopt: Slurm has forgotten it
  std::vector<JobRun> runs;
  std::vector<StoredCheckpoint> checkpoints;
  std::vector<Message> here;  // the daemon's, of its runs on this node
  Notes notes;
};

Result<Life> look_at(const Config& config, JobId id) {
  Life life;
  life.id = id;
  Scontrol slurm(config.scontrol);
  auto job = slurm.job(JobRef(id), Deadline::in(kSlurmAnswers));
  if (!job && job.error().kind != ErrorKind::not_found) return fail(job.error());
  if (job) life.job = *std::move(job);
  if (life.job && ::geteuid() != 0 && life.job->uid != ::geteuid()) {
    return fail(ErrorKind::denied, "job " + std::to_string(id) + " is not yours");
  }
  if (auto stored = look_up(config, {id, std::nullopt}, LookAt::manifests)) {
    life.checkpoints = *std::move(stored);
  } else {
    life.notes.push_back("no checkpoints to be seen: " + stored.error().message);
  }
  if (!life.job && life.checkpoints.empty()) {
    return fail(ErrorKind::not_found, "Slurm knows no job " + std::to_string(id) + ", and the store has nothing of it");
  }
  if (auto runs = runs_of(config, id)) {
    life.runs = *std::move(runs);
  } else {
    life.notes.push_back("earlier runs are known to Slurm's accounting only: " + runs.error().message);
  }
  if (life.runs.empty() && life.job && life.job->running()) {
    life.runs.push_back({life.job->state, life.job->nodes, life.job->start.value_or(0), 0});
  }
  if (const auto answers = ask_daemon(config, Message(verb::kRuns))) {
    for (const auto& run : *answers) {
      if (run.get_int("job", 1, UINT32_MAX).value_or(0) == id) life.here.push_back(run);
    }
  }
  if (life.here.empty() && life.job && life.job->running()) {
    life.notes.push_back("when its next checkpoint is due only its node can tell: " + life.job->nodes);
  }
  return life;
}

Json number_or_null(const Message& run, const char* key) {
  return time_or_null(run.get_int(key, 0, INT64_MAX).value_or(0));
}

// Run time of one part that no checkpoint holds. A daemon that was started after the run has seen less of it than Slurm
// and the store.
std::int64_t at_risk(const Life& life, const Message& run, std::time_t now) {
  std::int64_t safe = run.get_int("made_at", 0, INT64_MAX).value_or(0);
  for (const auto& checkpoint : life.checkpoints) {
    if (!checkpoint.aside && checkpoint.part == run.get("part"))
      safe = std::max<std::int64_t>(safe, checkpoint.made_at);
  }
  std::int64_t began = run.get_int("began", 0, INT64_MAX).value_or(0);
  if (run.get("part") == "batch" && life.job && life.job->start) began = *life.job->start;
  return began == 0 ? 0 : std::max<std::int64_t>(0, now - std::max(began, safe));
}

// Why --checkpoint-every=auto is what it is.
Json auto_json(const Message& run) {
  if (!run.has("auto_cost_ms")) return {};
  const auto bound = run.get("auto_bound").value_or("none");
  return {{"cost_ms", run.get_int("auto_cost_ms", 0, INT64_MAX).value_or(0)},
          {"measured", run.get("auto_measured") == "1"},
          {"mean_time_between_failures", run.get_int("auto_failures", 0, INT64_MAX).value_or(0)},
          {"bound", bound == "none" ? Json() : Json(bound)}};
}

Json to_json(const Life& life, std::time_t now) {
  Json runs = Json::array();
  for (const auto& run : life.runs) {
    runs.push_back({{"node", run.node}, {"start", run.start}, {"end", time_or_null(run.end)}, {"state", run.state}});
  }
  Json here = Json::array();
  for (const auto& run : life.here) {
    const std::string trouble(run.get("trouble").value_or(""));
    here.push_back({{"part", run.get("part").value_or("")},
                    {"phase", run.get("phase").value_or("")},
                    {"interval", run.get_int("interval", 0, INT64_MAX).value_or(0)},
                    {"auto", auto_json(run)},
                    {"method", run.get("method").value_or("criu")},
                    {"requeue_on_ckpt", run.get("requeue_on_ckpt") == "1"},
                    {"checkpoint", number_or_null(run, "number")},
                    {"made_at", number_or_null(run, "made_at")},
                    {"frozen_ms", run.get_int("frozen_ms", 0, INT64_MAX).value_or(0)},
                    {"took_ms", run.get_int("took_ms", 0, INT64_MAX).value_or(0)},
                    {"next_due", number_or_null(run, "next_due")},
                    {"at_risk", at_risk(life, run, now)},
                    {"trouble", trouble.empty() ? Json() : Json(trouble)}});
  }
  Json document{{"job", life.id}};
  document["slurm"] = Json();
  if (life.job) {
    document["slurm"] = {{"name", life.job->ref.name},
                         {"user", life.job->user},
                         {"state", life.job->state},
                         {"reason", life.job->reason},
                         {"partition", life.job->partition},
                         {"node", life.job->nodes},
                         {"requeues", life.job->restarts},
                         {"held", life.job->held},
                         {"start", time_or_null(life.job->start.value_or(0))},
                         {"end", time_or_null(life.job->end.value_or(0))}};
  }
  document["runs"] = runs;
  document["here"] = here;
  document["checkpoints"] = checkpoints_json(life.checkpoints);
  return document;
}

std::string moment(std::time_t at) {
  if (at == 0) return "";
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", std::localtime(&at));
  return text;
}

std::string requeued(std::uint32_t times) {
  if (times == 0) return "never requeued";
  return times == 1 ? "requeued once" : fmt::format("requeued {} times", times);
}

void print_auto(const Message& run) {
  if (!run.has("auto_cost_ms")) return;
  const auto seconds = [&](const char* key) {
    return std::chrono::seconds(run.get_int(key, 0, INT64_MAX).value_or(0));
  };
  const auto bound = run.get("auto_bound").value_or("none");
  fmt::print("  every {}, automatically: a checkpoint costs it {:.1f} s ({}), a node fails every {}{}\n",
             format_time(seconds("interval")),
             static_cast<double>(run.get_int("auto_cost_ms", 0, INT64_MAX).value_or(0)) / 1e3,
             run.get("auto_measured") == "1" ? "measured" : "assumed", format_time(seconds("auto_failures")),
             bound == "none" ? "" : "; " + std::string(bound) + " of the partition");
}

void print_state(const Life& life, std::time_t now) {
  if (life.job) {
    const JobInfo& job = *life.job;
    fmt::print("job {} of {}: {}{}{}, {}\n", job.ref.name, printable(job.user), job.state,
               job.nodes.empty() ? "" : " on " + printable(job.nodes),
               job.pending() && !job.reason.empty() ? " (" + printable(job.reason) + ")" : "", requeued(job.restarts));
  } else {
    fmt::print("job {}: Slurm does not know it any more\n", life.id);
  }
  for (const auto& run : life.here) {
    const auto due = run.get_int("next_due", 0, INT64_MAX).value_or(0);
    fmt::print("{}: {}, {} not in a checkpoint yet, {}\n", printable(run.get("name").value_or("?")),
               printable(run.get("phase").value_or("?")), short_time(at_risk(life, run, now)),
               due == 0 ? "none is due" : "next in " + short_time(due - now));
    print_auto(run);
    if (const auto method = run.get("method").value_or("criu"); method != "criu") {
      fmt::print("  checkpoint method: {}\n", printable(method));
    }
    if (!run.get("trouble").value_or("").empty()) {
      fmt::print("  the last attempt failed: {}\n", printable(*run.get("trouble")));
    }
  }
}

void print_timeline(const Life& life, std::time_t now, const Terminal& terminal) {
  std::vector<TimelineRun> runs;
  for (const auto& run : life.runs) {
    std::string outcome = run.state;
    std::transform(outcome.begin(), outcome.end(), outcome.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    runs.push_back({printable(run.node), run.start, run.end, printable(outcome)});
  }
  std::vector<TimelineMark> marks;
  for (const auto& checkpoint : life.checkpoints) marks.push_back({printable(checkpoint.node), checkpoint.made_at});
  if (runs.empty()) return;
  fmt::print("\n");
  for (const auto& line : draw_timeline(runs, marks, now, terminal.width, terminal.unicode)) fmt::print("{}\n", line);
}

void print_checkpoints(const Life& life, const Terminal& terminal) {
  Table table({"PART", ">CHECKPOINT", "MADE", "NODE", "FOR", ">SIZE", "STATE"});
  for (const auto& one : life.checkpoints) {
    const bool whole = one.damage.empty();
    table.add({{printable(one.part)},
               {std::to_string(one.number)},
               {moment(one.made_at)},
               {printable(one.node)},
               {printable(one.reason)},
               {format_size(one.bytes)},
               {!whole      ? "cannot be used: " + printable(one.damage)
                : one.aside ? "set aside"
                            : "kept",
                whole ? Ink::plain : Ink::bad}});
  }
  if (!table.empty()) fmt::print("\n{}", table.text(terminal));
}

}  // namespace

Result<void> show_job(const Config& config, JobId job, const View& view) {
  STASIS_LET(const Life life, in_context("show", look_at(config, job)));
  const std::time_t now = std::time(nullptr);
  if (view.json) {
    print_json(to_json(life, now), life.notes);
    return {};
  }
  const auto terminal = Terminal::of_stdout();
  print_state(life, now);
  print_timeline(life, now, terminal);
  print_checkpoints(life, terminal);
  print_notes(life.notes);
  return {};
}

}  // namespace stasis
