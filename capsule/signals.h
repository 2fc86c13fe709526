// SPDX-License-Identifier: Apache-2.0
// signals.h - signal state and exit statuses, as processes that stand in for another one need them.
#pragma once

#include <csignal>

namespace stasis {

// Blocks everything that can be blocked, so that signals are taken by sigwaitinfo or signalfd only. Returns that set.
sigset_t block_all_signals() noexcept;

// Default dispositions and nothing blocked: what a program may expect. For children right before exec: releases of
// Slurm differ in what they leave blocked.
void reset_signals() noexcept;

// Those by which people and Slurm ask a program to end, and which do so unless it has other plans.
bool ends_by_default(int number) noexcept;

// Ends this process the way `status` (of waitpid) says another one ended: same exit code or same signal, without a
// core file of our own.
[[noreturn]] void end_like(int status) noexcept;

}  // namespace stasis
