// SPDX-License-Identifier: Apache-2.0
#include "spank/options.h"

#include <charconv>
#include <cstring>
#include <string>

#include "common/checkpoint_method.h"
#include "common/checkpoint_name.h"
#include "common/time_spec.h"
#include "spank/site_limits.h"
#include "spank/submit.h"

namespace stasis {
namespace {

Request& request() noexcept {
  static Request said;
  return said;
}

enum class Option { every, requeue, method, dir, keep, with, restore_failure, from };

// A sentence for the user, or empty when the value is fine. The daemon checks again, and the site's limits too.
std::string complaint(Option option, const std::string& value) {
  switch (option) {
    case Option::every: {
      const auto spec = parse_time_spec(value);
      return spec ? "" : "--checkpoint-every: " + spec.error().message;
    }
    case Option::method: {
      const auto method = parse_checkpoint_method(value);
      return method ? "" : "--checkpoint-method: " + method.error().message;
    }
    case Option::keep: {
      int number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error == std::errc() && end == value.data() + value.size() && number >= 1 && number <= 100) return {};
      return "--checkpoint-keep takes a number from 1 to 100, not '" + value + "'";
    }
    case Option::dir:
      if (value.starts_with('/')) return {};
      return "--checkpoint-dir takes an absolute path, not '" + value + "'";
    case Option::with:
      if (!value.empty()) return {};
      return "--checkpoint-with takes one path, or several with ':' in between";
    case Option::restore_failure:
      if (value == "hold" || value == "restart") return {};
      return "--restore-failure takes 'hold' or 'restart', not '" + value + "'";
    case Option::from: {
      const auto name = parse_checkpoint_name(value);
      return name ? "" : "--checkpoint-from: " + name.error().message;
    }
    case Option::requeue:
      break;
  }
  return {};
}

// What cannot be had together, whichever is said first: such a job would not start.
std::string conflict() {
  if (!request().from) return {};
  if (request().every == "off") return "--checkpoint-from protects the job: leave --checkpoint-every=off out";
  const auto method = parse_checkpoint_method(request().method.value_or("criu"));
  if (!method || method->kind == CheckpointMethod::Kind::criu) return {};
  return "--checkpoint-from: such a job is checkpointed by criu: leave --checkpoint-method=" + *request().method +
         " out";
}

int refuse(const std::string& text) {
  slurm_error("%s", text.c_str());
  return ESPANK_BAD_ARG;
}

int take(int number, const char* argument, int remote) {
  const auto option = static_cast<Option>(number);
  const std::string value = argument == nullptr ? "" : argument;
  if (option == Option::from && remote == 0 && !submits_scripts()) {
    // The script's srun commands have it from their job, where it is not theirs.
    if (!says_where_to_go_on()) return ESPANK_SUCCESS;
    return refuse("--checkpoint-from is for batch scripts: sbatch --checkpoint-from=" + value + " SCRIPT");
  }
  if (const std::string text = complaint(option, value); !text.empty()) {
    // Where a submission can still be refused, it is. A task that starts is the daemon's to judge.
    if (remote == 0) return refuse(text);
    slurm_spank_log("stasis: %s", text.c_str());
  } else if (remote == 0 && option == Option::every && limits_refuse()) {
    if (const std::string refusal = site_complaint(value, command_line()); !refusal.empty()) return refuse(refusal);
  }
  switch (option) {
    case Option::every:
      request().every = value;
      break;
    case Option::requeue:
      request().requeue_on_ckpt = "yes";
      break;
    case Option::method:
      request().method = value;
      break;
    case Option::dir:
      request().dir = value;
      break;
    case Option::keep:
      request().keep = value;
      break;
    case Option::with:
      request().with = value;
      break;
    case Option::restore_failure:
      request().restore_failure = value;
      break;
    case Option::from:
      request().from = value;
      break;
  }
  if (const std::string text = conflict(); remote == 0 && !text.empty()) return refuse(text);
  const bool asked = (option == Option::every && protection_requested()) || option == Option::from ||
                     (option == Option::method && request().every != "off");
  if (remote == 0 && asked) ask_for_append_and_requeue();
  return ESPANK_SUCCESS;
}

struct Entry {
  const char* name;
  const char* argument;
  const char* help;
  Option option;
};

constexpr Entry kEntries[] = {
    {"checkpoint-every", "TIME",
     "checkpoint the job at this interval, so that it goes on where it was after preemption, time limits and dead "
     "nodes: 45 (minutes), 0:45:00, 0-0:45, 1-12, 30s, 45m, 2h, auto (as often as it is best), or off",
     Option::every},
    {"requeue-on-ckpt", nullptr, "after each checkpoint put the job back into the queue, to go on elsewhere",
     Option::requeue},
    {"checkpoint-method", "criu|signal[:SIG[:SECONDS]]|auto[:SIG[:SECONDS]]",
     "who keeps the job's state: criu (for every program), signal (the program itself, when it gets SIG, in SECONDS; "
     "then its script starts again), or auto (criu, and signal where that cannot); SIG is USR1, SECONDS 60 if not said",
     Option::method},
    {"checkpoint-dir", "PATH", "keep this job's checkpoints below PATH instead of the site's store", Option::dir},
    {"checkpoint-keep", "N", "how many checkpoints to keep", Option::keep},
    {"checkpoint-with", "PATH[:PATH]", "files and directories to bring back to their state at the checkpoint, too",
     Option::with},
    {"restore-failure", "hold|restart", "when no checkpoint can be restored: hold the job, or start it over",
     Option::restore_failure},
    {"checkpoint-from", "JOB[:CHECKPOINT]",
     "start this batch job where a checkpoint of another job of yours was made, which must be over: its newest, or "
     "that one",
     Option::from},
};

// Slurm's structure takes pointers to non-const text and only reads it.
char* text(const char* literal) { return const_cast<char*>(literal); }

}  // namespace

int register_options(spank_t spank) {
  for (const Entry& entry : kEntries) {
    spank_option option{};
    option.name = text(entry.name);
    option.arginfo = text(entry.argument);
    option.usage = text(entry.help);
    option.has_arg = entry.argument == nullptr ? 0 : 1;
    option.val = static_cast<int>(entry.option);
    option.cb = take;
    if (const auto result = spank_option_register(spank, &option); result != ESPANK_SUCCESS) {
      slurm_error("stasis: cannot register --%s: %s", entry.name, spank_strerror(result));
      return static_cast<int>(result);
    }
  }
  return ESPANK_SUCCESS;
}

const Request& requested() noexcept { return request(); }

bool protection_requested() noexcept { return request().every && *request().every != "off"; }

std::string option_variable(const char* option) {
  std::string name = std::string("SLURM_SPANK__SLURM_SPANK_OPTION_stasis_") + option;
  for (char& letter : name) {
    if (letter == '-') letter = '_';
  }
  return name;
}

}  // namespace stasis
