// SPDX-License-Identifier: Apache-2.0
#include "common/policy.h"

#include <charconv>

#include "common/checkpoint_name.h"
#include "common/time_spec.h"

namespace stasis {
namespace {

// Where the interval comes from, as the user knows it.
struct Wish {
  TimeSpec spec;
  std::string source;
};

Result<std::optional<Wish>> user_wish(const ProtectionRequest& request) {
  const bool by_option = request.option.has_value();
  const auto& text = by_option ? request.option : request.environment;
  if (!text) return std::optional<Wish>();
  const std::string source = by_option ? "--checkpoint-every" : "SLURM_CHECKPOINT";
  STASIS_LET(const TimeSpec spec, in_context(source, parse_time_spec(*text)));
  return std::optional<Wish>(Wish{spec, source});
}

Result<std::chrono::seconds> within_bounds(const Policy& policy, const Wish& wish, OutOfBounds out_of_bounds,
                                           std::vector<std::string>& notes) {
  const auto wanted = wish.spec.every;
  auto granted = wanted;
  std::string limit;
  if (wanted < policy.min_interval) {
    granted = policy.min_interval;
    limit = "is less than the " + format_time(granted) + " this partition allows at least";
  } else if (policy.max_interval && wanted > *policy.max_interval) {
    granted = *policy.max_interval;
    limit = "is more than the " + format_time(granted) + " this partition allows at most";
  }
  if (granted == wanted) return wanted;
  const std::string sentence = wish.source + ": " + format_time(wanted) + " " + limit;
  if (out_of_bounds == OutOfBounds::refuse) return fail(ErrorKind::denied, sentence);
  notes.push_back(sentence + ": checkpoints are made every " + format_time(granted));
  return granted;
}

// The interval, nullopt where it is ours to choose, or why there is none.
using Interval = std::variant<std::optional<std::chrono::seconds>, NotProtected>;

Interval of_spec(const TimeSpec& spec) {
  if (spec.kind == TimeSpec::Kind::every) return std::optional(spec.every);
  return std::optional<std::chrono::seconds>();
}

Result<Interval> decide_interval(const Policy& policy, const ProtectionRequest& request, OutOfBounds out_of_bounds,
                                 std::vector<std::string>& notes) {
  STASIS_LET(const std::optional<Wish> wish, user_wish(request));
  if (wish && wish->spec.kind == TimeSpec::Kind::every) {
    STASIS_LET(const std::chrono::seconds interval, within_bounds(policy, *wish, out_of_bounds, notes));
    return of_spec({TimeSpec::Kind::every, interval});
  }
  if (wish && wish->spec.kind == TimeSpec::Kind::automatic) return of_spec(wish->spec);
  const TimeSpec& every = policy.checkpoint_every;
  if (every.kind == TimeSpec::Kind::off) {
    if (wish) return NotProtected::opted_out;
    if (!request.from) return NotProtected::not_requested;
    return of_spec({TimeSpec::Kind::automatic, {}});
  }
  if (wish) {
    if (policy.users_may_opt_out) return NotProtected::opted_out;
    notes.push_back(wish->source + ": jobs of this partition cannot opt out: checkpoints are made every " +
                    (every.kind == TimeSpec::Kind::every ? format_time(every.every) : "now and then"));
  }
  return of_spec(every);
}

// A program that is to end at each checkpoint, and a job that is to run on at it, do not go together.
void note_kept_signal(const Protection& protection, std::vector<std::string>& notes) {
  const CheckpointMethod& method = protection.method;
  if (method.kind != CheckpointMethod::Kind::signal || !asks_to_end(method.signal) || protection.requeue_on_ckpt)
    return;
  notes.push_back(
      "--checkpoint-method: " + signal_name(method.signal) +
      " asks a program to end, so it is sent only when the job has to leave; with --requeue-on-ckpt every " +
      format_time(protection.interval) + ", too");
}

Result<int> parse_keep(const std::string& text) {
  int keep = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), keep);
  if (error != std::errc() || end != text.data() + text.size() || keep < 1 || keep > kMaxKeep) {
    return fail(ErrorKind::failed, "--checkpoint-keep: '" + text + "' is not a number of checkpoints from 1 to " +
                                       std::to_string(kMaxKeep));
  }
  return keep;
}

}  // namespace

const char* to_string(PreferOtherNode value) noexcept {
  switch (value) {
    case PreferOtherNode::off:
      return "off";
    case PreferOtherNode::soft:
      return "soft";
    case PreferOtherNode::hard:
      return "hard";
  }
  return "soft";
}

const char* to_string(RestoreFailure value) noexcept { return value == RestoreFailure::restart ? "restart" : "hold"; }

const char* to_string(OutsideConnections value) noexcept {
  return value == OutsideConnections::refuse ? "refuse" : "close";
}

const char* to_string(NotProtected reason) noexcept {
  return reason == NotProtected::opted_out ? "opted_out" : "not_requested";
}

Result<PreferOtherNode> parse_prefer_other_node(std::string_view text) {
  for (const auto value : {PreferOtherNode::off, PreferOtherNode::soft, PreferOtherNode::hard}) {
    if (text == to_string(value)) return value;
  }
  return fail(ErrorKind::not_found, "'" + std::string(text) + "' is none of off, soft and hard");
}

Result<RestoreFailure> parse_restore_failure(std::string_view text) {
  for (const auto value : {RestoreFailure::hold, RestoreFailure::restart}) {
    if (text == to_string(value)) return value;
  }
  return fail(ErrorKind::not_found, "'" + std::string(text) + "' is neither hold nor restart");
}

Result<OutsideConnections> parse_outside_connections(std::string_view text) {
  for (const auto value : {OutsideConnections::close, OutsideConnections::refuse}) {
    if (text == to_string(value)) return value;
  }
  return fail(ErrorKind::not_found, "'" + std::string(text) + "' is neither close nor refuse");
}

Result<Decision> decide_protection(const Policy& policy, const ProtectionRequest& request, OutOfBounds out_of_bounds) {
  Protection protection;
  protection.requeue_on_ckpt = request.requeue_on_ckpt.value_or(policy.requeue_on_ckpt);
  protection.method = policy.checkpoint_method;
  protection.keep = policy.keep;
  protection.restore_failure = policy.restore_failure;
  // All of it is looked at before anything is decided, so that a bad value never hides behind another wish.
  if (request.keep) {
    STASIS_LET(protection.keep, parse_keep(*request.keep));
  }
  if (request.method) {
    STASIS_LET(protection.method, in_context("--checkpoint-method", parse_checkpoint_method(*request.method)));
  }
  if (request.restore_failure) {
    STASIS_LET(protection.restore_failure,
               in_context("--restore-failure", parse_restore_failure(*request.restore_failure)));
  }
  if (request.from) {
    STASIS_TRY(in_context("--checkpoint-from", parse_checkpoint_name(*request.from)));
    // A program that writes its own checkpoints leaves none here: the job's next run would begin there once more.
    if (request.method && protection.method.kind != CheckpointMethod::Kind::criu) {
      return fail(ErrorKind::failed,
                  "--checkpoint-from: such a job is checkpointed by criu: leave --checkpoint-method out");
    }
    protection.method = CheckpointMethod();
  }
  STASIS_LET(const auto interval, decide_interval(policy, request, out_of_bounds, protection.notes));
  if (const auto* reason = std::get_if<NotProtected>(&interval)) {
    if (request.method && *reason == NotProtected::not_requested) {
      return fail(ErrorKind::failed, "--checkpoint-method: there are no checkpoints: add --checkpoint-every=45m, say");
    }
    if (request.requeue_on_ckpt.value_or(false)) {
      return fail(ErrorKind::failed, "--requeue-on-ckpt: there are no checkpoints: add --checkpoint-every=45m, say");
    }
    if (request.from) {
      return fail(ErrorKind::failed, "--checkpoint-from: only a job that is checkpointed itself can go on from one");
    }
    return Decision(*reason);
  }
  if (const auto& fixed = std::get<std::optional<std::chrono::seconds>>(interval)) {
    protection.interval = *fixed;
  } else {
    // What a program needs for its own checkpoint nobody sees: what it asked for counts.
    const bool by_signal = protection.method.kind == CheckpointMethod::Kind::signal;
    protection.automatic = auto_interval(by_signal ? protection.method.patience : kAssumedCost, false, policy);
    protection.interval = protection.automatic->interval;
  }
  note_kept_signal(protection, protection.notes);
  return Decision(std::move(protection));
}

}  // namespace stasis
