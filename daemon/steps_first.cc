// SPDX-License-Identifier: Apache-2.0
#include "daemon/steps_first.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "daemon/process_signal.h"

namespace stasis {
namespace {

constexpr std::chrono::milliseconds kLookEvery{20};
// For `srun ... | tee log` and the like, once srun's end of the pipe is closed.
constexpr std::chrono::seconds kReadersMayTake{2};

template <class Done>
bool wait_until(Done done, Deadline deadline) {
  while (!done()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

}  // namespace

bool is_srun(pid_t pid) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), target, sizeof target);
  if (length <= 0) return false;
  const std::string path(target, static_cast<std::size_t>(length));
  return path.substr(path.rfind('/') + 1) == "srun";
}

bool waits_for_srun(const std::vector<CapsuleProcess>& tree) {
  return std::any_of(tree.begin(), tree.end(), [](const auto& process) { return is_srun(process.host); });
}

Result<void> end_after_steps(const std::vector<CapsuleProcess>& tree, Deadline deadline) {
  std::map<pid_t, const CapsuleProcess*> members;
  std::vector<pid_t> sruns;
  for (const auto& process : tree) {
    members[process.host] = &process;
    if (is_srun(process.host)) sruns.push_back(process.host);
  }
  // The root is the anchor, which does nothing but wait.
  std::set<pid_t> waiting;
  for (const pid_t srun : sruns) {
    for (auto at = members.find(members[srun]->parent); at != members.end() && at->first != tree.front().host;
         at = members.find(at->second->parent)) {
      if (!is_srun(at->first)) waiting.insert(at->first);
    }
  }
  for (const pid_t pid : waiting) signal_process(*members[pid], SIGSTOP);
  if (!wait_until([&] { return std::all_of(sruns.begin(), sruns.end(), has_ended); }, deadline)) {
    for (const pid_t pid : waiting) signal_process(*members[pid], SIGCONT);
    return fail(ErrorKind::timed_out, "the script waits for srun, and its step does not end");
  }
  (void)wait_until(
      [&] {
        return std::all_of(tree.begin() + 1, tree.end(), [&](const auto& process) {
          return waiting.count(process.host) != 0 || has_ended(process.host);
        });
      },
      Deadline::in(kReadersMayTake));
  signal_process(tree.front(), SIGKILL);
  return {};
}

}  // namespace stasis
