// SPDX-License-Identifier: Apache-2.0
// policy.h - whether and how a job is protected: what the administrator set, and what the user asked for. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/auto_interval.h"
#include "common/checkpoint_method.h"
#include "common/result.h"
#include "common/time_spec.h"

namespace stasis {

// The names of the values below are also those of stasis.yaml and of the command line.
enum class PreferOtherNode { off, soft, hard };
enum class RestoreFailure { hold, restart };
enum class OutsideConnections { close, refuse };

const char* to_string(PreferOtherNode value) noexcept;
const char* to_string(RestoreFailure value) noexcept;
const char* to_string(OutsideConnections value) noexcept;
// not_found: no such name; the message shows the names there are.
Result<PreferOtherNode> parse_prefer_other_node(std::string_view text);
Result<RestoreFailure> parse_restore_failure(std::string_view text);
Result<OutsideConnections> parse_outside_connections(std::string_view text);

inline constexpr int kMaxKeep = 100;

// What stasis.yaml says about the jobs of one partition. etc/stasis.yaml explains each for administrators.
struct Policy {
  TimeSpec checkpoint_every;  // off: only jobs that ask for it
  bool requeue_on_ckpt = false;
  CheckpointMethod checkpoint_method;
  int keep = 2;  // the last one, and one to fall back to

  // A small job is frozen some 50 ms and a 1 GiB one about a second per checkpoint: every 30 s costs 3 % at worst.
  // Below, a user mistaking seconds for minutes would keep the node and the store busy.
  std::chrono::seconds min_interval{30};
  std::optional<std::chrono::seconds> max_interval;  // nullopt: no ceiling
  // So early a job that cannot be checkpointed is known, and has computed nothing that matters yet. nullopt: the first
  // one comes at the interval.
  std::optional<std::chrono::seconds> first_checkpoint{std::chrono::minutes(1)};
  // What --checkpoint-every=auto reckons with. A node of a usual cluster fails once in some months or years; the rest
  // of what ends a job without warning (power, file systems, an administrator in a hurry) makes it a month.
  std::chrono::seconds mean_time_between_failures{std::chrono::hours(30 * 24)};

  PreferOtherNode prefer_other_node = PreferOtherNode::soft;
  bool requeue_begin_now = true;
  bool allow_io_uring = false;  // a program that uses it cannot be checkpointed
  // Of a job that goes on elsewhere; or it is not checkpointed as long as it has any.
  OutsideConnections outside_connections = OutsideConnections::close;
  bool check_cpu = true;  // that nothing is missing where a job goes on
  RestoreFailure restore_failure = RestoreFailure::hold;
  bool users_may_opt_out = true;
  // A last dump starts this long before the end, on top of what it may take (daemon/dump_budget.h).
  std::chrono::seconds final_dump_margin{10};
  // Past it a dump is given up and the job goes on. Half a TiB at 300 MiB/s takes about this long.
  std::chrono::seconds dump_timeout{std::chrono::minutes(30)};
  // That pages which were not written to are not looked at, where the kernel can tell.
  bool track_memory = true;
  // zstd's level; 0: none. At 1 a core makes some 500 MB/s, more than most jobs get of a shared file system.
  int compression = 1;
  // Copying 256 MiB holds a job up for some 100 ms.
  std::uint64_t file_copy_limit = 256 << 20;

  friend bool operator==(const Policy&, const Policy&) = default;
};

// What the user asked for, as written: nothing here has been checked by anyone.
struct ProtectionRequest {
  std::optional<std::string> option;           // --checkpoint-every
  std::optional<std::string> environment;      // SLURM_CHECKPOINT, counts when there is no option
  std::optional<bool> requeue_on_ckpt;         // --requeue-on-ckpt
  std::optional<std::string> method;           // --checkpoint-method
  std::optional<std::string> keep;             // --checkpoint-keep
  std::optional<std::string> restore_failure;  // --restore-failure
  std::optional<std::string> from;             // --checkpoint-from
};

struct Protection {
  std::chrono::seconds interval{0};
  bool requeue_on_ckpt = false;
  int keep = 0;
  RestoreFailure restore_failure = RestoreFailure::hold;
  std::vector<std::string> notes;  // one sentence for each wish that was not followed to the letter
  CheckpointMethod method;
  std::optional<AutoInterval> automatic;  // the interval is ours to choose; it changes with what checkpoints cost

  friend bool operator==(const Protection&, const Protection&) = default;
};

enum class NotProtected {
  not_requested,  // neither the policy nor the user wants it
  opted_out,      // the user said off
};
const char* to_string(NotProtected reason) noexcept;

using Decision = std::variant<Protection, NotProtected>;

// An interval outside of the partition's limits: refused while the user can still change it, that is when the job is
// submitted; clamped, with a note, when the job already starts.
enum class OutOfBounds { refuse, clamp };

// Bad values are an error whose message is a sentence for the user. A job that is to go on from another's checkpoint is
// protected by that alone, at the partition's interval, or automatically where it has none.
Result<Decision> decide_protection(const Policy& policy, const ProtectionRequest& request, OutOfBounds out_of_bounds);

}  // namespace stasis
