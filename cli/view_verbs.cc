// SPDX-License-Identifier: Apache-2.0
#include "cli/view_verbs.h"

#include <memory>
#include <string>
#include <vector>

#include "cli/caller.h"
#include "cli/views.h"

namespace stasis {
namespace {

// What the words after a verb are read into. Lives as long as the verb's callback.
struct Words {
  std::string text;
  JobId job = 0;
  bool all = false;
  bool as_new = false;
  std::vector<std::string> more;
  View view;
};

using Verb = std::function<Result<void>(const Config&, const Words&)>;

struct Added {
  CLI::App* verb;
  std::shared_ptr<Words> words;
};

Added add(CLI::App& app, const char* name, const char* help, Action& action, Verb run) {
  auto words = std::make_shared<Words>();
  CLI::App* const verb = app.add_subcommand(name, help);
  verb->add_flag("--json", words->view.json, "one JSON document, for programs");
  verb->callback([words, &action, run = std::move(run)] {
    action = [words, run](const Config& config) { return run(config, *words); };
  });
  return {verb, words};
}

// What it says about a bad one is the sentence of parse_checkpoint_name().
std::string wrong_with(const std::string& text) {
  const auto name = parse_checkpoint_name(text);
  return name ? "" : name.error().message;
}

}  // namespace

void add_view_verbs(CLI::App& app, Action& action) {
  const auto list = add(app, "list", "protected jobs, their last checkpoints, and what would be lost now", action,
                        [](const auto& config, const auto& w) { return list_jobs(config, w.text, w.all, w.view); });
  auto* const user = list.verb->add_option("--user", list.words->text, "only this user's jobs")->type_name("NAME");
  list.verb->add_flag("--all", list.words->all, "everybody's: root only, and what root gets anyway")->excludes(user);

  const auto show = add(app, "show", "the life of one job: runs, checkpoints, requeues", action,
                        [](const auto& config, const auto& w) { return show_job(config, w.job, w.view); });
  show.verb->add_option("JOB", show.words->job, "job id")->required();

  const auto verify = add(app, "verify", "read every byte of a job's checkpoints", action,
                          [](const auto& config, const auto& w) { return verify_job(config, w.text, w.view); });
  verify.verb->add_option("JOB", verify.words->text, "job id, and the number of a checkpoint of its script")
      ->type_name("ID[:GEN]")
      ->required()
      ->check(wrong_with);

  const auto check = add(app, "check", "can this job of this node be checkpointed, and if not, why?", action,
                         [](const auto& config, const auto& w) { return check_job(config, w.job, w.view); });
  check.verb->add_option("JOB", check.words->job, "job id")->required();

  const auto look = add(app, "inspect", "every field of a file or checkpoint of ours", action,
                        [](const auto& config, const auto& w) { return inspect(config, w.text, w.view); });
  look.verb->add_option("WHAT", look.words->text, "path, or JOB[:GEN]: root only")->required();

  const auto log = add(app, "log", "what stasisd of this node says about a job", action,
                       [](const auto& config, const auto& w) { return show_log(config, w.job, w.view); });
  log.verb->add_option("JOB", log.words->job, "job id")->required();

  const auto restart =
      add(app, "restart", "let a held or ended job go on, from a checkpoint of your choice", action,
          [](const auto& config, const auto& w) {
            return w.as_new ? restart_as_new(config, w.text, w.more, w.view) : restart_job(config, w.text, w.view);
          });
  restart.verb->add_option("JOB", restart.words->text, "job id, and the checkpoint [default: the newest]")
      ->type_name("ID[:GEN]")
      ->required()
      ->check(wrong_with);
  auto* const as_new = restart.verb->add_flag("--new", restart.words->as_new,
                                              "of a job that is over: submit its script as a new job, which goes on");
  restart.verb->add_option("SBATCH-OPTIONS", restart.words->more, "behind `--`: for the new job, over the old one's")
      ->type_name("...")
      ->needs(as_new);

  add(app, "stats", "what stasisd of this node has counted", action,
      [](const auto& config, const auto& w) { return show_stats(config, w.view); });
  add(app, "doctor", "is this machine, and Slurm, set up right?", action,
      [](const auto& config, const auto& w) { return doctor(config, w.view); });
}

}  // namespace stasis
