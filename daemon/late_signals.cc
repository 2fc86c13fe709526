// SPDX-License-Identifier: Apache-2.0
#include "daemon/late_signals.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/criu_core.pb.h"
#include "common/criu_image.h"
#include "common/proc.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

std::string core_name(pid_t thread) { return "core-" + std::to_string(thread) + ".img"; }

// What these say may have been said by Slurm, or cannot wait.
bool is_of_others(int signal) {
  return signal == SIGTERM || signal == SIGKILL || signal == SIGSTOP || signal == SIGCONT || signal < 1 || signal > 64;
}

bool has(const criu::PendingSignals& queue, int signal) {
  return std::any_of(queue.signals().begin(), queue.signals().end(), [&](const auto& one) {
    siginfo_t info{};
    if (one.siginfo().size() != sizeof info) return false;
    std::memcpy(&info, one.siginfo().data(), sizeof info);
    return info.si_signo == signal;
  });
}

void add(criu::PendingSignals& queue, const siginfo_t& info) {
  queue.add_signals()->set_siginfo(std::string(reinterpret_cast<const char*>(&info), sizeof info));
}

siginfo_t signal_of(const criu::PosixTimer& timer) {
  siginfo_t info{};
  info.si_signo = static_cast<int>(timer.si_signo());
  info.si_code = SI_TIMER;
  info.si_timerid = static_cast<int>(timer.it_id());
  const std::uint64_t value = timer.sival_ptr();
  static_assert(sizeof value == sizeof info.si_value);
  std::memcpy(&info.si_value, &value, sizeof value);
  return info;
}

// The images of one process.
class Cores {
 public:
  static Result<Cores> parse(const std::map<pid_t, std::string>& images, pid_t leader) {
    Cores cores(leader);
    for (const auto& [thread, image] : images) {
      STASIS_LET(const auto entries, read_criu_image(image, kCriuCoreMagic));
      if (entries.size() != 1 || !cores.cores_[thread].ParseFromString(entries.front())) {
        return fail(ErrorKind::corrupt, core_name(thread) + ": not one entry");
      }
    }
    return cores;
  }

  // The threads whose images have changed.
  const std::vector<pid_t>& add_late(const PendingNow& pending) {
    const auto leader = cores_.find(leader_);
    if (leader == cores_.end() || !leader->second.has_tc() || !leader->second.tc().has_timers()) return changed_;
    const criu::Timers timers = leader->second.tc().timers();
    for (const auto& timer : timers.posix()) {
      if (timer.vsec() == 0 && timer.vnsec() == 0) add_of(timer, pending);
    }
    // Or it came when criu had noted the timers already, from one that will bring it again.
    const bool comes_again = std::any_of(timers.posix().begin(), timers.posix().end(), [](const auto& timer) {
      const bool once = timer.isec() == 0 && timer.insec() == 0;
      return timer.si_signo() == SIGALRM && once && (timer.vsec() != 0 || timer.vnsec() != 0);
    });
    const bool expired = timers.real().vsec() == 0 && timers.real().vusec() == 0;
    // One with a period, which the kernel starts again when its signal is taken.
    if (expired && (timers.real().isec() != 0 || timers.real().iusec() != 0)) {
      criu::IntervalTimer& real = *leader->second.mutable_tc()->mutable_timers()->mutable_real();
      real.set_vsec(real.isec());
      real.set_vusec(real.iusec());
      changed_.push_back(leader_);
    }
    criu::PendingSignals& queue = *leader->second.mutable_tc()->mutable_signals_s();
    if (expired && !comes_again && (pending.process & bit(SIGALRM)) != 0 && !has(queue, SIGALRM)) {
      siginfo_t info{};
      info.si_signo = SIGALRM;
      info.si_code = SI_KERNEL;
      add(queue, info);
      changed_.push_back(leader_);
    }
    return changed_;
  }

  std::string image_of(pid_t thread) const {
    return write_criu_image({cores_.at(thread).SerializeAsString()}, kCriuCoreMagic);
  }

 private:
  explicit Cores(pid_t leader) : leader_(leader) {}

  void add_of(const criu::PosixTimer& timer, const PendingNow& pending) {
    const int signal = static_cast<int>(timer.si_signo());
    const bool to_thread = timer.it_sigev_notify() == SIGEV_THREAD_ID;
    if (is_of_others(signal) || (!to_thread && timer.it_sigev_notify() != SIGEV_SIGNAL)) return;
    const pid_t thread = to_thread ? timer.notify_thread_id() : leader_;
    const auto core = cores_.find(thread);
    const auto of_thread = pending.threads.find(thread);
    if (core == cores_.end() || (to_thread && of_thread == pending.threads.end())) return;
    if (((to_thread ? of_thread->second : pending.process) & bit(signal)) == 0) return;
    criu::PendingSignals& queue = to_thread ? *core->second.mutable_thread_core()->mutable_signals_p()
                                            : *core->second.mutable_tc()->mutable_signals_s();
    if (has(queue, signal)) return;
    add(queue, signal_of(timer));
    changed_.push_back(thread);
  }

  pid_t leader_;
  std::map<pid_t, criu::Core> cores_;
  std::vector<pid_t> changed_;
};

Result<std::vector<pid_t>> threads_of(pid_t process) {
  std::vector<pid_t> threads;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/" + std::to_string(process) + "/task", error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc()) threads.push_back(thread);
  }
  if (error) return fail(errno_error("list the threads of a process", error.value()));
  return threads;
}

Result<void> note_of(const CapsuleProcess& process, int images) {
  STASIS_LET(const auto threads, threads_of(process.host));
  PendingNow pending;
  bool any = false;
  for (const pid_t thread : threads) {
    STASIS_LET(const ProcStatus status, read_proc_status(thread));
    // What has ended already waits for no signal, and has no image with any.
    if (status.state == 'Z' || status.pids.empty()) return {};
    pending.process = status.process_signals_pending;
    pending.threads[status.pids.back()] = status.signals_pending;
    any = any || pending.process != 0 || status.signals_pending != 0;
  }
  if (!any) return {};
  std::map<pid_t, std::string> cores;
  for (const auto& [thread, unused] : pending.threads) {
    STASIS_LET(cores[thread], read_images_file(images, core_name(thread)));
  }
  const auto before = cores;
  STASIS_LET(const bool changed, add_late_signals(cores, process.inside, pending));
  if (!changed) return {};
  for (const auto& [thread, image] : cores) {
    if (image != before.at(thread)) STASIS_TRY(write_images_file(images, core_name(thread), image));
  }
  return {};
}

}  // namespace

Result<bool> add_late_signals(std::map<pid_t, std::string>& cores, pid_t leader, const PendingNow& pending) {
  STASIS_LET(Cores parsed, Cores::parse(cores, leader));
  const auto changed = parsed.add_late(pending);
  for (const pid_t thread : changed) cores[thread] = parsed.image_of(thread);
  return !changed.empty();
}

Result<void> note_late_signals(const std::vector<CapsuleProcess>& tree, int images) {
  for (const auto& process : tree) STASIS_TRY(in_context("late signals", note_of(process, images)));
  return {};
}

}  // namespace stasis
