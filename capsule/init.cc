// SPDX-License-Identifier: Apache-2.0
#include "capsule/init.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>

#include "capsule/mounts.h"
#include "capsule/placement.h"
#include "capsule/signals.h"
#include "common/daemon_socket.h"
#include "common/paths.h"
#include "common/protocol.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kPeerReads{10};
// slurmstepd gets a task from its privileged hook to execve in milliseconds; a TaskProlog may take its time.
constexpr std::chrono::minutes kShimStarts{30};
constexpr std::chrono::seconds kReconnectEvery{1};
// A job that never ran before starts without a daemon that does not answer: it has nothing to lose.
constexpr std::chrono::seconds kNewJobWaits{10};
// A job that may have a checkpoint waits. A daemon that is being upgraded or a node that just booted is back by
// then.
constexpr std::chrono::minutes kOldJobWaits{3};
// KillWait is 30 s by default: enough is left for the payload's own clean-up.
constexpr std::chrono::seconds kSignalWaits{5};

Deadline earliest(std::initializer_list<Deadline> deadlines) {
  Deadline first = Deadline::never();
  for (const Deadline& deadline : deadlines) {
    if (!deadline.is_never() && (first.is_never() || deadline.poll_timeout() < first.poll_timeout())) first = deadline;
  }
  return first;
}

// The payload's pids start at 1000, so that a restore finds them free: CRIU's own helpers take the low ones.
void keep_low_pids_free() {
  const UniqueFd file(::open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC));
  if (file) (void)!::write(file.get(), "999", 3);
}

}  // namespace

void CapsuleInit::run() {
  ::prctl(PR_SET_NAME, "stasis-init");
  // Users may look at processes of their own only; this one holds the way to the daemon.
  ::prctl(PR_SET_DUMPABLE, 0);
  const sigset_t all = block_all_signals();
  signals_.reset(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
  wait_for_shim();
  prepare();
  connect();
  while (true) {
    pollfd fds[] = {{shim_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {daemon_.get(), POLLIN, 0}};
    ::poll(fds, 3, poll_timeout());
    if (fds[1].revents != 0) reap();
    if (fds[0].revents != 0) from_shim();
    if (daemon_ && fds[2].revents != 0) from_daemon();
    on_time();
  }
}

// Two messages come before anything else: the plugin's, sent before the user had the other end, and the shim's "go".
void CapsuleInit::wait_for_shim() {
  (void)ask_for_senders(shim_.get());
  auto order = receive_message(shim_.get(), Deadline::in(kPeerReads));
  if (!order || order->message.verb() != verb::kCapsule) _exit(1);
  auto facts = TaskFacts::from_message(order->message);
  if (!facts) _exit(1);
  facts_ = std::move(*facts);
  keep_tmp_ = order->message.get_int("keep_tmp", 0, 1).value_or(0) == 1;
  tree_signalled_ = order->message.get_int("tree_signalled", 0, 1).value_or(0) == 1;
  auto go = receive_message(shim_.get(), Deadline::in(kShimStarts));
  // No "go": the task ended before its program was started, in a prolog for instance.
  if (!go || go->message.verb() != verb::kGo || go->fds.size() != 3) _exit(0);
  stdio_ = std::move(go->fds);
  // Slurm tells the count to the program's environment only, so it is the shim's word: whoever falsifies it misleads
  // nobody but his own job.
  facts_.restarts = static_cast<std::uint32_t>(go->message.get_int("restarts", 0, 1 << 30).value_or(0));
  variables_ = go->message.get("variables").value_or("");
}

void CapsuleInit::prepare() {
  auto ready = take_placement_of(facts_.shim);
  if (!ready) refuse("cannot join the task's cgroups: " + ready.error().message, false);
  auto mounts = make_capsule_mounts(keep_tmp_);
  if (!mounts) refuse("cannot make the capsule: " + mounts.error().message, false);
  tmp_holder_ = mounts->tmp_holder;
  // Not worth a job's start: who reads it finds nothing, or only a part.
  (void)install_variables(variables_);
  state_ = State::asking;
  if (facts_.may_have_checkpoint()) {
    answer_until_ = Deadline::in(kOldJobWaits);
  } else {
    answer_until_ = Deadline::in(kNewJobWaits);
  }
}

int CapsuleInit::poll_timeout() const { return earliest({signal_until_, reconnect_at_, answer_until_}).poll_timeout(); }

void CapsuleInit::on_time() {
  if (reconnect_at_.passed()) connect();
  if (signal_until_.passed()) deliver(*pending_signal_);
  if (state_ != State::asking || criu_ != 0 || !answer_until_.passed()) return;
  if (!facts_.may_have_checkpoint()) {
    tell_shim(Message(verb::kSay)
                  .add("text", "warning: stasisd does not answer on " + facts_.node +
                                   ": this job is not protected until it does"));
    start_fresh();
  } else {
    refuse("stasisd does not answer on " + facts_.node +
               " and this job may have a checkpoint to go on from: it is put back and held (scontrol release " +
               std::to_string(facts_.job) + ")",
           true);
  }
}

void CapsuleInit::connect() {
  reconnect_at_ = Deadline::never();
  auto socket = connect_to_daemon(kDefaultSocket, Deadline::in(kPeerReads));
  if (!socket) {
    reconnect_at_ = Deadline::in(kReconnectEvery);
    // Nobody there at all, and nothing to lose: no reason to wait.
    if (state_ == State::asking && !facts_.may_have_checkpoint()) answer_until_ = Deadline::in(std::chrono::seconds(0));
    return;
  }
  daemon_ = std::move(*socket);
  Message hello = facts_.to_message(verb::kCapsule);
  const char* state = criu_ != 0 ? "restoring" : state_ == State::running ? "running" : "new";
  hello.add("state", state).add("tmp", tmp_holder_).add("root", root_).add("number", number_);
  hello.add("first_start", first_start_).add("excluded", excluded_);
  tell_daemon(hello);
}

void CapsuleInit::lose_daemon() {
  daemon_.reset();
  // It cannot say any more when the payload is let go.
  still_ = false;
  reconnect_at_ = Deadline::in(kReconnectEvery);
  if (pending_signal_) deliver(*pending_signal_);
}

void CapsuleInit::from_shim() {
  auto received = receive_message(shim_.get(), Deadline::in(kPeerReads));
  // The shim is gone, and with this process all of the capsule goes.
  if (!received && received.error().kind == ErrorKind::lost) _exit(0);
  if (!received) return;
  const Message& message = received->message;
  if (message.verb() == verb::kBorn && state_ == State::running && root_ == 0 && received->sender &&
      received->sender->pid > 1) {
    root_ = received->sender->pid;
    tell_daemon(Message(verb::kBorn).add("root", root_));
  } else if (message.verb() == verb::kSignal) {
    take_signal(static_cast<int>(message.get_int("number", 1, SIGRTMAX).value_or(0)));
  } else if (message.verb() == verb::kExit && !root_is_ours_) {
    tell_daemon(Message(verb::kExit).add("status", message.get_int("status", 0, 0xffff).value_or(0)));
  }
}

void CapsuleInit::from_daemon() {
  auto received = receive_message(daemon_.get(), Deadline::in(kPeerReads));
  if (!received) return lose_daemon();
  const Message& message = received->message;
  if (const auto start = message.get_int("first_start", 0, INT64_MAX)) first_start_ = *start;
  if (const auto nodes = message.get("excluded")) excluded_ = *nodes;
  if (message.verb() == verb::kFresh) {
    if (state_ == State::asking && criu_ == 0) start_fresh();
  } else if (message.verb() == verb::kRestore) {
    if (state_ == State::asking && criu_ == 0) restore(message, std::move(received->fds));
  } else if (message.verb() == verb::kHold) {
    // Without a text the daemon has said before why.
    if (state_ == State::asking) refuse(std::string(message.get("text").value_or("")), false);
  } else if (message.verb() == verb::kTaken) {
    // A daemon that has taken the question answers it, however long slurmctld or a dump may take.
    if (pending_signal_) signal_until_ = Deadline::never();
    if (state_ == State::asking) answer_until_ = Deadline::never();
  } else if (message.verb() == verb::kDeliver) {
    if (pending_signal_) deliver(*pending_signal_);
  } else if (message.verb() == verb::kStill) {
    still_ = message.get("on") == "1";
  } else if (message.verb() == verb::kKill) {
    if (root_ > 1 && state_ == State::running) ::kill(root_, SIGKILL);
  } else if (message.verb() == verb::kSay) {
    tell_shim(message);
  }
}

void CapsuleInit::start_fresh() {
  keep_low_pids_free();
  answer_until_ = Deadline::never();
  state_ = State::running;
  tell_shim(Message(verb::kFresh));
}

// The order is the daemon's, who is root: the whole command, with its images on a descriptor.
void CapsuleInit::restore(const Message& order, std::vector<UniqueFd> fds) {
  answer_until_ = Deadline::never();
  root_ = static_cast<pid_t>(order.get_int("root", 2, 1 << 22).value_or(0));
  number_ = order.get_int("number", 1, UINT32_MAX).value_or(0);
  if (fds.size() == 2) (void)install_anchor(fds[1].get());
  std::vector<std::string> words;
  for (const auto word : order.get_all("argv")) words.emplace_back(word);
  if (fds.empty() || words.empty() || root_ == 0) {
    return tell_daemon(Message(verb::kUnrestored).add("status", 0xff00));
  }
  criu_ = ::fork();
  if (criu_ != 0) return;
  for (int fd = 0; fd < 3; ++fd) ::dup2(stdio_[static_cast<std::size_t>(fd)].get(), kFirstInheritedStdio + fd);
  ::dup2(fds[0].get(), kImagesFd);
  reset_signals();
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path, nullptr};
  ::execve(argv[0], argv.data(), environment);
  _exit(127);
}

void CapsuleInit::reap() {
  signalfd_siginfo ignored{};
  while (::read(signals_.get(), &ignored, sizeof ignored) == sizeof ignored) {
  }
  // A short-lived payload may be reaped before the criu that restored it.
  std::optional<int> criu_status;
  std::optional<int> root_status;
  int status = 0;
  for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (child == criu_) criu_status = status;
    if (child == root_) root_status = status;
  }
  if (criu_status) on_criu_end(*criu_status, root_status.has_value());
  if (root_status && root_is_ours_) {
    tell_daemon(Message(verb::kExit).add("status", *root_status));
    tell_shim(Message(verb::kExit).add("status", *root_status));
  }
}

void CapsuleInit::on_criu_end(int status, bool root_ended) {
  criu_ = 0;
  // Detached, criu leaves the restored root to init, its parent from now on.
  root_is_ours_ = status == 0 && (root_ended || ::kill(root_, 0) == 0);
  if (!root_is_ours_) {
    root_ = 0;
    answer_until_ = Deadline::in(kOldJobWaits);
    return tell_daemon(Message(verb::kUnrestored).add("status", status));
  }
  state_ = State::running;
  tell_shim(Message(verb::kRestored));
  tell_daemon(Message(verb::kRestored).add("root", root_));
}

void CapsuleInit::take_signal(int number) {
  if (number == 0 || state_ != State::running || (number == SIGCONT && still_)) return;
  if (number != SIGTERM || !daemon_) return deliver(number);
  pending_signal_ = number;
  signal_until_ = Deadline::in(kSignalWaits);
  tell_daemon(Message(verb::kSignal).add("number", number));
}

void CapsuleInit::deliver(int number) {
  // Slurm sends SIGCONT along with SIGTERM: it is no answer to the question that is open.
  if (number == pending_signal_) {
    pending_signal_.reset();
    signal_until_ = Deadline::never();
  }
  // With proctrack/linuxproc Slurm has signalled every process below its own: once is enough.
  if (root_ > 1 && !tree_signalled_) ::kill(root_, number);
}

void CapsuleInit::refuse(const std::string& text, bool hold) {
  Message message(verb::kRefused);
  if (!text.empty()) message.add("text", "error: " + text);
  message.add("code", 1);
  if (hold) message.add("hold", "yes");
  tell_shim(message);
  // The shim says it and ends; its end of the socket closes with it.
  while (receive_message(shim_.get(), Deadline::in(std::chrono::minutes(2)))) {
  }
  _exit(1);
}

void CapsuleInit::tell_shim(const Message& message, std::span<const int> fds) {
  (void)send_message(shim_.get(), message, fds, Deadline::in(kPeerReads));
}

void CapsuleInit::tell_daemon(const Message& message) {
  if (!daemon_) return;
  // What a lost daemon has missed, the next one learns from "capsule" or from Slurm.
  if (!send_message(daemon_.get(), message, Deadline::in(kPeerReads))) lose_daemon();
}

}  // namespace stasis
