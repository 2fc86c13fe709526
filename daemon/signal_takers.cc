// SPDX-License-Identifier: Apache-2.0
#include "daemon/signal_takers.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "common/deadline.h"
#include "common/proc.h"

namespace stasis {
namespace {

constexpr const char* kShells[] = {"sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "csh", "tcsh", "busybox"};

bool is_shell(const std::string& program) {
  return std::any_of(std::begin(kShells), std::end(kShells), [&](const char* name) { return program == name; });
}

std::string program_of(pid_t host) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(("/proc/" + std::to_string(host) + "/exe").c_str(), target, sizeof target);
  const std::string path(target, length > 0 ? static_cast<std::size_t>(length) : 0);
  return path.substr(path.rfind('/') + 1);
}

// srun hands these on to its tasks; at others it ends them by force.
bool srun_hands_on(int number) { return number == SIGUSR1 || number == SIGUSR2; }

enum class Reception { takes, refuses, blocks };

// A process that is starting another has every signal blocked meanwhile (posix_spawn, and shells), and would be ended
// by one as soon as it has. It runs then, or waits uninterruptibly; one that waits for the signal sleeps. What is read
// of a process that runs meanwhile is of different moments, so it counts only if it did not.
constexpr std::chrono::milliseconds kBlockedForAMoment{200};

Reception look_at(pid_t host, int number) {
  const std::uint64_t bit = std::uint64_t{1} << (number - 1);
  const auto status = read_proc_status(host);
  if (!status || (status->signals_ignored & bit) != 0) return Reception::refuses;
  if ((status->signals_caught & bit) != 0) return Reception::takes;
  if ((status->signals_blocked & bit) == 0) return Reception::refuses;
  const auto again = read_proc_status(host);
  const bool sleeps = again && status->state == 'S' && again->state == 'S' && status->switches == again->switches;
  return sleeps && (again->signals_blocked & bit) != 0 ? Reception::takes : Reception::blocks;
}

}  // namespace

SignalPlan plan_signal(const std::vector<SignalledProcess>& tree) {
  std::map<pid_t, const SignalledProcess*> members;
  for (const auto& one : tree) members[one.process.host] = &one;
  const auto parent = [&](const SignalledProcess& one) -> const SignalledProcess* {
    const auto found = members.find(one.process.parent);
    // The anchor's own parent is outside, and the anchor itself is not the job's.
    return found == members.end() || found->second == &tree.front() ? nullptr : found->second;
  };
  // Below whom there is a program that takes it, and who has one above.
  std::set<const SignalledProcess*> above;
  std::set<const SignalledProcess*> below;
  for (std::size_t i = 1; i < tree.size(); ++i) {
    for (auto at = parent(tree[i]); at != nullptr; at = parent(*at)) {
      if (tree[i].takes) above.insert(at);
      if (at->takes && !is_shell(at->program)) below.insert(&tree[i]);
    }
  }
  SignalPlan plan;
  std::set<const SignalledProcess*> takers;
  for (std::size_t i = 1; i < tree.size(); ++i) {
    const SignalledProcess* one = &tree[i];
    if (!one->takes || below.count(one) != 0 || (is_shell(one->program) && above.count(one) != 0)) continue;
    takers.insert(one);
    plan.takers.push_back(one->process);
  }
  std::set<const SignalledProcess*> waiting;
  for (const SignalledProcess* taker : takers) {
    for (auto at = parent(*taker); at != nullptr; at = parent(*at)) {
      if (takers.count(at) == 0 && waiting.insert(at).second) plan.waiting.push_back(at->process);
    }
  }
  return plan;
}

std::vector<SignalledProcess> look_at_signals(const std::vector<CapsuleProcess>& tree, int number, bool leave_srun) {
  std::vector<SignalledProcess> found;
  std::vector<std::size_t> undecided;
  for (const auto& process : tree) {
    found.push_back({process, program_of(process.host), false});
    SignalledProcess& one = found.back();
    if (one.program == "srun" && (leave_srun || !srun_hands_on(number))) continue;
    const Reception reception = look_at(process.host, number);
    one.takes = reception == Reception::takes;
    if (reception == Reception::blocks) undecided.push_back(found.size() - 1);
  }
  for (const Deadline deadline = Deadline::in(kBlockedForAMoment); !undecided.empty() && !deadline.passed();) {
    std::this_thread::sleep_for(kBlockedForAMoment / 10);
    std::erase_if(undecided, [&](std::size_t index) {
      const Reception reception = look_at(found[index].process.host, number);
      found[index].takes = reception == Reception::takes;
      return reception != Reception::blocks;
    });
  }
  // One that computes all the while with the signal blocked looks whether it has come.
  for (const std::size_t index : undecided) {
    const auto status = read_proc_status(found[index].process.host);
    found[index].takes = status && status->state == 'R';
  }
  return found;
}

}  // namespace stasis
