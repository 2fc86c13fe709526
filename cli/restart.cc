// SPDX-License-Identifier: Apache-2.0
// A job is made to wait before its checkpoints are moved about, and let go afterwards. What is asked of Slurm is asked
// with the caller's own rights: Slurm knows who may release what.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/caller.h"
#include "cli/daemon_question.h"
#include "cli/new_job.h"
#include "cli/views.h"
#include "common/protocol.h"
#include "common/restart_point.h"
#include "common/slurm_client.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

Deadline answer() { return Deadline::in(kSlurmAnswers); }

Result<void> choose(const Config& config, const CheckpointName& name) {
  if (::geteuid() != 0) {
    STASIS_TRY(ask_daemon(config, Message(verb::kRestart).add("job", name.job).add("number", name.number.value_or(0))));
    return {};
  }
  STASIS_LET(Keys keys, Keys::load(config.key_file));
  STASIS_LET(const std::string cluster, cluster_name(config));
  const CheckpointStore store(config.store, std::move(keys));
  STASIS_LET(const auto jobs, jobs_in_store(store, cluster, name.job));
  return choose_restart_point(store, jobs, name.number.value_or(0));
}

// So that it cannot start while its checkpoints are moved about.
Result<void> make_wait(Scontrol& slurm, const JobInfo& job) {
  if (job.held) return {};
  if (job.over()) return slurm.requeue_and_hold(job.ref, answer());
  if (job.pending()) return slurm.hold(job.ref, answer());
  return fail(ErrorKind::busy,
              fmt::format("job {} is {}: `stasis checkpoint {} --requeue` makes it go on elsewhere, and "
                          "`scontrol requeuehold {}` makes it wait, to be restarted then",
                          job.ref.name, job.state, job.id, job.ref.name));
}

}  // namespace

Result<void> restart_as_new(const Config& config, const std::string& name, const std::vector<std::string>& options,
                            const View& view) {
  STASIS_LET(const auto from, parse_checkpoint_name(name));
  return in_context("restart", submit_new_job(config, from, options, view));
}

Result<void> restart_job(const Config& config, const std::string& name, const View& view) {
  STASIS_LET(const auto wanted, parse_checkpoint_name(name));
  Scontrol slurm(config.scontrol);
  STASIS_LET(const JobInfo job, in_context("restart", slurm.job(JobRef(wanted.job), answer())));
  if (::geteuid() != 0 && job.uid != ::geteuid()) return fail(ErrorKind::denied, "restart: the job is not yours");
  // Before anything is changed: a job without a checkpoint would start from scratch.
  STASIS_LET(const auto found, in_context("restart", look_up(config, wanted, LookAt::manifests)));
  STASIS_TRY(in_context("restart", make_wait(slurm, job)));
  if (auto chosen = choose(config, wanted); !chosen) {
    std::string text = chosen.error().message;
    if (!job.held) text += "; the job is held now: `scontrol release " + job.ref.name + "` lets it go on";
    return fail(chosen.error().kind, "restart: " + text);
  }
  STASIS_TRY(in_context("restart", slurm.release(job.ref, answer())));
  // A requeued job waits two minutes for nothing. Not being allowed to change that is no failure.
  (void)slurm.update(job.ref, {"StartTime=now"}, answer());
  if (view.json) {
    print_json({{"job", wanted.job}, {"checkpoint", wanted.number ? Json(*wanted.number) : Json()}}, {});
  } else if (wanted.number) {
    fmt::print("job {}: to go on from checkpoint {}\n", job.ref.name, *wanted.number);
  } else {
    fmt::print("job {}: to go on from its last checkpoint\n", job.ref.name);
  }
  return {};
}

}  // namespace stasis
