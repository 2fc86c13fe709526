// SPDX-License-Identifier: Apache-2.0
#include "spank/task.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "common/daemon_socket.h"
#include "common/message_socket.h"
#include "common/paths.h"
#include "common/protocol.h"
#include "spank/io_uring_filter.h"
#include "spank/options.h"
#include "spank/step_notes.h"

// From 23.11 on; with an older Slurm it is not there, and the live argv is changed instead.
extern "C" spank_err_t spank_prepend_task_argv(spank_t spank, int argc, const char* argv[]) __attribute__((weak));

namespace stasis {
namespace {

// A daemon that is busy answers within milliseconds; one that is stuck must not keep jobs from starting.
constexpr std::chrono::seconds kDaemonAnswers{5};

// Enough to tell one command from another.
constexpr std::size_t kCommandLimit = 4096;

// The shim's end of the socket to the capsule's init; -1: this task has no capsule.
int capsule_socket = -1;

// A script that is to go on from a checkpoint must not start from its beginning, whatever keeps it from going on.
bool only_goes_on = false;

std::uint32_t number(spank_t spank, spank_item_t item) {
  std::uint32_t value = 0;
  return spank_get_item(spank, item, &value) == ESPANK_SUCCESS ? value : 0;
}

std::string variable(spank_t spank, const char* name) {
  char value[4096];
  return spank_getenv(spank, name, value, sizeof value) == ESPANK_SUCCESS ? value : "";
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = "";
  ::gethostname(name, sizeof name - 1);
  if (char* dot = std::strchr(name, '.')) *dot = '\0';
  return name;
}

TaskFacts facts_of(spank_t spank) {
  TaskFacts facts;
  facts.job = number(spank, S_JOB_ID);
  facts.array_job = number(spank, S_JOB_ARRAY_ID);
  if (facts.array_job != 0) facts.array_task = number(spank, S_JOB_ARRAY_TASK_ID);
  facts.step = number(spank, S_JOB_STEPID);
  facts.task = number(spank, S_TASK_GLOBAL_ID);
  facts.tasks = number(spank, S_JOB_LOCAL_TASK_COUNT);
  spank_get_item(spank, S_JOB_UID, &facts.uid);
  spank_get_item(spank, S_JOB_GID, &facts.gid);
  facts.partition = variable(spank, "SLURM_JOB_PARTITION");
  facts.node = variable(spank, "SLURMD_NODENAME");
  if (facts.node.empty()) facts.node = host_name();
  int argc = 0;
  char** argv = nullptr;
  if (spank_get_item(spank, S_JOB_ARGV, &argc, &argv) == ESPANK_SUCCESS && argc > 0) facts.command = argv[0];
  for (int i = 1; i < argc && facts.step != kBatchStep && facts.command.size() < kCommandLimit; ++i) {
    facts.command.append(" ").append(argv[i]);
  }
  facts.command.resize(std::min(facts.command.size(), kCommandLimit));
  facts.shim = ::getpid();
  facts.request = requested();
  if (const std::string site = variable(spank, "SLURM_CHECKPOINT"); !site.empty()) facts.request.environment = site;
  return facts;
}

// 22.05 loses the options with --export=NONE, but for this form of them.
void recover_lost_options(spank_t spank, Request& request) {
  if (request.every || request.from) return;
  if (const auto text = variable(spank, option_variable("checkpoint-from").c_str()); !text.empty()) request.from = text;
  if (const auto text = variable(spank, option_variable("checkpoint-every").c_str()); !text.empty()) {
    request.every = text;
    if (!variable(spank, option_variable("requeue-on-ckpt").c_str()).empty()) request.requeue_on_ckpt = "yes";
    if (const auto method = variable(spank, option_variable("checkpoint-method").c_str()); !method.empty()) {
      request.method = method;
    }
  }
}

// "protect" or "unprotected". A failure: nobody answered.
Result<Message> ask_daemon(const TaskFacts& facts) {
  const Deadline deadline = Deadline::in(kDaemonAnswers);
  STASIS_LET(const UniqueFd socket, connect_to_daemon(kDefaultSocket, deadline));
  STASIS_TRY(send_message(socket.get(), facts.to_message(verb::kAdmit), deadline));
  STASIS_LET(ReceivedMessage answer, receive_message(socket.get(), deadline));
  return std::move(answer.message);
}

bool asked_for_protection(const Request& request) {
  if (request.from) return true;
  if (request.every) return *request.every != "off";
  return request.environment && *request.environment != "off";
}

// Only async-signal-safe calls, though slurmstepd's task process has a single thread: this is a bare copy of it.
[[noreturn]] void become_init(int socket) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  ::dup2(socket, 3);
  ::close_range(4, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* argv[] = {"stasis-init", "3", nullptr};
  const char* environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  ::execve(kInitProgram, const_cast<char**>(argv), const_cast<char**>(environment));
  ::_exit(127);
}

Result<void> enter_capsule(const Message& order) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail(errno_error("socketpair", errno));
  UniqueFd shim(pair[0]);
  const UniqueFd init(pair[1]);
  // Before the user can say anything on this socket.
  STASIS_TRY(send_message(shim.get(), order, Deadline::in(kDaemonAnswers)));
  if (::access(kInitProgram, X_OK) != 0) return fail(errno_error(kInitProgram, errno));
  if (::access(kShimProgram, X_OK) != 0) return fail(errno_error(kShimProgram, errno));
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC) != 0) return fail(errno_error("unshare", errno));
  // What is mounted on the node later still shows up in here; nothing of the capsule shows up there.
  if (::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0)
    return fail(errno_error("mount --make-slave", errno));
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) become_init(init.get());
  capsule_socket = shim.release();
  return {};
}

// Here, and not when it fails: this is where Slurm itself ends a task that it cannot start.
void end_what_only_goes_on() {
  if (!only_goes_on) return;
  slurm_spank_log(
      "stasis: error: --checkpoint-from: this job cannot go on from a checkpoint, so it is ended: it shall not "
      "start from its beginning");
  ::_exit(1);
}

// Before 23.11: S_JOB_ARGV is the live argument vector. Only its first word can be changed, so the rest of what the
// shim has to know goes by the environment, from which the shim takes it out again.
bool swap_program(spank_t spank, const std::string& fd) {
  int argc = 0;
  char** argv = nullptr;
  if (spank_get_item(spank, S_JOB_ARGV, &argc, &argv) != ESPANK_SUCCESS || argc < 1) return false;
  const std::string words = fd + ":" + argv[0];
  if (spank_setenv(spank, kShimVariable, words.c_str(), 1) != ESPANK_SUCCESS) return false;
  argv[0] = ::strdup(kShimProgram);
  return true;
}

}  // namespace

void make_capsule(spank_t spank) {
  TaskFacts facts = facts_of(spank);
  recover_lost_options(spank, facts.request);
  if (facts.step == kExternStep || facts.step == kInteractiveStep) return;
  // srun has told the user so.
  const bool terminal = !variable(spank, "SLURM_PTY_PORT").empty();
  if (facts.step != kBatchStep && step_is_out_of_reach({number(spank, S_JOB_NNODES), facts.tasks, terminal})) return;
  only_goes_on = facts.goes_on_from_another();
  Message order = facts.to_message(verb::kCapsule);
  const auto answer = ask_daemon(facts);
  if (answer) {
    for (const auto notice : answer->get_all("notice")) slurm_spank_log("stasis: %s", std::string(notice).c_str());
    if (answer->verb() != verb::kProtect) return;
    order.add("keep_tmp", std::string(answer->get("keep_tmp").value_or("0")));
    order.add("tree_signalled", std::string(answer->get("tree_signalled").value_or("0")));
  } else {
    // The capsule is made all the same: it is init that waits for the daemon, and knows whether waiting is needed.
    if (!asked_for_protection(facts.request)) return;
    slurm_spank_log("stasis: warning: %s", answer.error().message.c_str());
  }
  if (const auto made = enter_capsule(order); !made) {
    slurm_spank_log("stasis: warning: this task runs unprotected: %s", made.error().message.c_str());
    return;
  }
  // Behind the birth of init, which is not bound by it, and neither is the criu that init starts.
  if (answer && answer->get("allow_io_uring") == "1") return;
  if (const auto denied = deny_io_uring(); !denied) {
    slurm_spank_log("stasis: warning: programs that use io_uring cannot be checkpointed: %s",
                    denied.error().message.c_str());
  }
}

void put_shim_first(spank_t spank) {
  if (capsule_socket < 0) return end_what_only_goes_on();
  static std::string fd = std::to_string(capsule_socket);
  // The shim inherits it; a TaskProlog that runs before does too, and has no use for it.
  ::fcntl(capsule_socket, F_SETFD, 0);
  const char* prefix[] = {kShimProgram, fd.c_str()};
  if (spank_prepend_task_argv != nullptr) {
    if (spank_prepend_task_argv(spank, 2, prefix) == ESPANK_SUCCESS) return;
  } else if (swap_program(spank, fd)) {
    return;
  }
  // Without the shim nobody says "go": init ends, and the task runs as it would without us.
  ::close(capsule_socket);
  end_what_only_goes_on();
  slurm_spank_log("stasis: warning: this task runs unprotected: cannot put %s before its command", kShimProgram);
}

}  // namespace stasis
