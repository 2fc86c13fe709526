// SPDX-License-Identifier: Apache-2.0
// stasis - the command for users and administrators.
//
// Exit codes: 0 done, 1 it could not be done, 2 called wrongly.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>

#include "cli/verbs.h"
#include "cli/view_verbs.h"
#include "common/config.h"
#include "common/paths.h"
#include "common/time_spec.h"

namespace {

int report(const stasis::Result<void>& result) {
  if (result) return 0;
  std::fprintf(stderr, "stasis: %s\n", result.error().message.c_str());
  return 1;
}

// A login node may have no configuration of its own: every key has a default.
stasis::Result<stasis::Config> load(const std::string& file) {
  auto config = stasis::load_config(file);
  if (!config && config.error().kind == stasis::ErrorKind::not_found) return stasis::parse_config("", file);
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Checkpoints of Slurm jobs: make them, and look after them.", "stasis"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("stasis ") + stasis::kVersion);
  std::string file = stasis::kConfigFile;
  app.add_option("--config", file, "configuration file")->capture_default_str();

  stasis::Action action;
  stasis::add_view_verbs(app, action);

  auto* checkpoint = app.add_subcommand("checkpoint", "checkpoint a job of this node now");
  std::uint32_t job = 0;
  bool requeue = false;
  checkpoint->add_option("JOB", job, "job id")->required();
  checkpoint->add_flag("--requeue", requeue, "then put the job back into the queue, to go on elsewhere");
  stasis::View view;
  const auto json = [&view](CLI::App* verb) { verb->add_flag("--json", view.json, "one JSON document, for programs"); };
  json(checkpoint);
  checkpoint->callback(
      [&] { action = [&](const auto& config) { return stasis::checkpoint_job(config, job, requeue, view); }; });

  auto* evacuate = app.add_subcommand("evacuate", "checkpoint and requeue every protected job of this node");
  std::string evacuated;
  evacuate->add_option("NODE", evacuated, "this node's name, so that no other one is emptied by mistake");
  json(evacuate);
  evacuate->callback(
      [&] { action = [&](const auto& config) { return stasis::evacuate_node(config, evacuated, view); }; });

  auto* node_down = app.add_subcommand(
      "node-down", "let the protected jobs of nodes that died start again at once (for strigger --node --down)");
  std::string nodes;
  node_down->add_option("NODES", nodes, "as strigger gives them")->required();
  node_down->callback([&] { action = [&](const auto& config) { return stasis::node_down(config, nodes); }; });

  auto* prune = app.add_subcommand("prune", "remove the checkpoints of jobs that are over and that nobody removed");
  std::string idle;
  prune->add_option("--idle", idle, "only what was untouched for that long: 2h, 1d [default: orphans_after]");
  json(prune);
  prune->callback([&] {
    action = [&](const auto& config) -> stasis::Result<void> {
      if (idle.empty()) return stasis::prune_store(config, config.orphans_after, view);
      const auto time = stasis::parse_time_spec(idle);
      if (!time || time->kind != stasis::TimeSpec::Kind::every) {
        return stasis::fail(stasis::ErrorKind::failed, "prune: --idle takes a time such as 2h or 1d");
      }
      return stasis::prune_store(config, time->every, view);
    };
  });

  auto* judge = app.add_subcommand("judge", "say whether the site allows an interval (for the plugin)");
  std::string every;
  std::string partition;
  judge->group("");
  judge->add_option("--every", every)->required();
  judge->add_option("--partition", partition);
  bool allowed = true;
  judge->callback([&] {
    action = [&](const auto& config) -> stasis::Result<void> {
      allowed = stasis::judge_interval(config, every, partition);
      return {};
    };
  });

  auto* keygen = app.add_subcommand("keygen", "print a new key for the key file");
  std::string id;
  keygen->add_option("--id", id, "the key's name [default: today's date]");
  keygen->callback([&] { action = [&](const auto&) { return stasis::print_key(id); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto config = load(file);
  if (!config) {
    report(stasis::fail(config.error()));
    // For who asks it, 1 means no.
    return judge->parsed() ? 3 : 1;
  }
  const int code = report(action(*config));
  return allowed ? code : 1;
}
