// SPDX-License-Identifier: Apache-2.0
// checkpoint_method.h - who keeps a job's state, as people write it for --checkpoint-method.
//
//   criu                    CRIU does, for whatever programs
//   signal[:SIG[:SECONDS]]  the program does, when it gets SIG; it has SECONDS for it before its run is ended
//   auto[:SIG[:SECONDS]]    CRIU, and the program where CRIU cannot
//
// SIG is a name with or without SIG in front, or its number.
#pragma once

#include <chrono>
#include <csignal>
#include <string>
#include <string_view>

#include "common/result.h"

namespace stasis {

struct CheckpointMethod {
  enum class Kind { criu, signal, automatic };

  Kind kind = Kind::criu;
  // What programs and frameworks that know Slurm's `sbatch --signal` listen to most often.
  int signal = SIGUSR1;
  std::chrono::seconds patience{60};  // as long as `sbatch --signal` without a time

  friend bool operator==(const CheckpointMethod&, const CheckpointMethod&) = default;
};

// As long as `sbatch --signal` takes.
inline constexpr std::chrono::seconds kLongestPatience{65535};

// On failure the message is a whole sentence for the user, which shows what is allowed.
Result<CheckpointMethod> parse_checkpoint_method(std::string_view text);

// "criu", "signal:USR1:60": as parse_checkpoint_method() takes it.
std::string to_string(const CheckpointMethod& method);

// "SIGUSR1", of those that a method can have.
std::string signal_name(int number);

// Those by which programs are asked to end, after they have written what they want to keep. At an interval at which a
// job is to run on they are not sent.
bool asks_to_end(int number) noexcept;

}  // namespace stasis
