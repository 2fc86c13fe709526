// SPDX-License-Identifier: Apache-2.0
// stasis-init, stasis-shim and stasis-anchor together, in namespaces made as the plugin makes them, with the test in
// the place of stasisd. For root only. Nothing of it touches the machine: /run, /tmp and /usr/libexec are the test's
// own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "common/message_socket.h"
#include "common/paths.h"
#include "common/protocol.h"
#include "common/read_file.h"
#include "common/task_facts.h"
#include "tests/unit/capsule/process.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

constexpr int kShimFd = 9;

class Capsule : public testing::Test {
 protected:
  void SetUp() override {
    if (::getuid() != 0) GTEST_SKIP() << "needs root to make a capsule";
    for (const char* name : {"run/stasis", "libexec/stasis", "tmp"})
      std::filesystem::create_directories(directory / name);
    for (const char* name : {"stasis-shim", "stasis-init", "stasis-anchor"}) {
      std::filesystem::copy_file(capsule_program(name), directory / (std::string("libexec/stasis/") + name));
    }
    facts.job = 812;
    facts.step = kBatchStep;
    facts.uid = 1001;
    facts.node = "n1";
    facts.partition = "main";
  }

  // ---- stasisd
  void listen() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory / "run/stasis/stasisd.sock";
    std::filesystem::remove(path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listener.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 8), 0);
  }
  void accept() {
    pollfd ready{listener.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 20'000), 1) << "init does not connect";
    init.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  Message hear() const {
    auto received = receive_message(init.get(), Deadline::in(20s));
    return received ? received->message : Message("silence").add("why", received.error().message);
  }
  void say(const Message& message, const std::vector<int>& fds = {}) const {
    ASSERT_TRUE(send_message(init.get(), message, fds, Deadline::in(20s)));
  }
  pid_t init_pid() const { return peer_credentials(init.get())->pid; }

  // ---- slurmstepd with the plugin
  void start(const std::string& script) {
    task.emplace(Process::Start{.argv = {kShimProgram, std::to_string(kShimFd), "/bin/sh", "-c", script},
                                .environment = environment,
                                .fds = {},
                                .before_exec = [this] { enter_capsule(); }});
  }
  void start_fresh(const std::string& script) {
    listen();
    start(script);
    accept();
    ASSERT_EQ(hear().verb(), verb::kCapsule);
    say(Message(verb::kFresh).add("first_start", 1795239061).add("excluded", "n9"));
    EXPECT_EQ(hear(), Message(verb::kBorn).add("root", 1000));
  }

  static void must(bool done) {
    if (!done) ::_exit(125);
  }
  void enter_capsule() const {
    must(::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC) == 0);
    must(::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) == 0);
    must(::mount((directory / "run").c_str(), "/run", nullptr, MS_BIND, nullptr) == 0);
    must(::mount((directory / "libexec").c_str(),
                 std::filesystem::path(kShimProgram).parent_path().parent_path().c_str(), nullptr, MS_BIND,
                 nullptr) == 0);
    // The last one, for the directory itself is in there.
    must(::mount((directory / "tmp").c_str(), "/tmp", nullptr, MS_BIND, nullptr) == 0);
    int pair[2];
    must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    TaskFacts ours = facts;
    ours.shim = ::getpid();
    must(send_message(pair[0], ours.to_message(verb::kCapsule).add("keep_tmp", 0), Deadline::in(20s)).has_value());
    const pid_t child = ::fork();
    if (child == 0) {
      const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
      ::dup2(pair[1], 3);
      ::close_range(4, ~0U, 0);
      ::execl(kInitProgram, "stasis-init", "3", nullptr);
      ::_exit(126);
    }
    ::close(pair[1]);
    // A copy of itself would be closed with the rest.
    must(pair[0] == kShimFd ? ::fcntl(kShimFd, F_SETFD, 0) == 0 : ::dup2(pair[0], kShimFd) == kShimFd);
  }

  TempDirectory directory;
  std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  TaskFacts facts;
  UniqueFd listener;
  UniqueFd init;
  std::optional<Process> task;
};

TEST_F(Capsule, RunsAFreshPayloadAndReportsItsEnd) {
  listen();
  start("echo $$; exit 7");
  accept();
  const Message hello = hear();
  ASSERT_EQ(hello.verb(), verb::kCapsule);
  EXPECT_EQ(hello.get("state"), "new");
  EXPECT_EQ(hello.get("root"), "0");
  EXPECT_TRUE(hello.get("tmp").value_or("").starts_with("/tmp/.stasis-"));
  facts.shim = task->pid();
  EXPECT_EQ(TaskFacts::from_message(hello).value_or(TaskFacts()), facts);
  say(Message(verb::kFresh).add("first_start", 1795239061));
  EXPECT_EQ(hear(), Message(verb::kBorn).add("root", 1000));
  EXPECT_EQ(task->line(), "1001");
  EXPECT_EQ(hear(), Message(verb::kExit).add("status", 7 << 8));
  EXPECT_EQ(task->wait(), 7 << 8);
  EXPECT_EQ(hear().verb(), "silence");
}

TEST_F(Capsule, TellsThePayloadSlurmsVariablesOfThisRun) {
  environment = {"SLURM_JOB_NODELIST=n[1-2]", "PATH=/usr/bin:/bin"};
  start_fresh("echo $STASIS_ENV; stat -c '%a %u' $STASIS_ENV; cat $STASIS_ENV");
  EXPECT_EQ(task->line(), kCapsuleVariables);
  EXPECT_EQ(task->line(), "444 0");
  EXPECT_EQ(task->line(), "export SLURM_JOB_NODELIST='n[1-2]'");
  EXPECT_EQ(task->wait(), 0);
}

TEST_F(Capsule, GivesThePayloadItsOwnProcessesAndTemporaryFiles) {
  start_fresh(
      "cat /proc/1/comm; ls -A /tmp /dev/shm; stat -c %a /tmp /dev/shm; echo $(ls -d /proc/[0-9]* | wc -l); touch "
      "/tmp/mine; "
      "readlink /proc/self/fd/0; ls /proc/self/fd | wc -l");
  EXPECT_EQ(task->line(), "stasis-init");
  EXPECT_EQ(task->line(), "/dev/shm:");
  EXPECT_EQ(task->line(), "");
  EXPECT_EQ(task->line(), "/tmp:");
  EXPECT_EQ(task->line(), "1777");
  EXPECT_EQ(task->line(), "1777");
  // init, the anchor, the shell and its children of that moment.
  EXPECT_LE(std::stoi(task->line()), 7);
  EXPECT_EQ(task->line(), "/dev/null");
  // 0, 1, 2 and what ls opens.
  EXPECT_EQ(task->line(), "4");
  EXPECT_EQ(task->wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(directory / "tmp/mine"));
}

// Any other signal once took the place of the SIGTERM that was still being asked about, and Slurm sends SIGCONT along.
TEST_F(Capsule, AsksTheDaemonWhatASigtermMeansAndHandsOutOtherSignalsAtOnce) {
  start_fresh("trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  ASSERT_EQ(::kill(task->pid(), SIGTERM), 0);
  EXPECT_EQ(hear(), Message(verb::kSignal).add("number", SIGTERM));
  say(Message(verb::kTaken));
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  EXPECT_EQ(task->line(), "usr1");
  say(Message(verb::kDeliver));
  EXPECT_EQ(task->line(), "term");
  EXPECT_EQ(task->wait(), 3 << 8);
}

// Slurm sends SIGCONT to a job that it requeues, and a script that is held still would see its step end.
TEST_F(Capsule, LetsNobodyGoOnWhoIsHeldStill) {
  start_fresh("trap 'echo continued' CONT; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  say(Message(verb::kStill).add("on", 1));
  // Answered when what was said before has been heard.
  say(Message(verb::kSay).add("text", "heard"));
  EXPECT_EQ(task->line(), "stasis: heard");
  ASSERT_EQ(::kill(task->pid(), SIGCONT), 0);
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  EXPECT_EQ(task->line(), "usr1");
  say(Message(verb::kStill).add("on", 0));
  say(Message(verb::kSay).add("text", "heard"));
  EXPECT_EQ(task->line(), "stasis: heard");
  ASSERT_EQ(::kill(task->pid(), SIGCONT), 0);
  EXPECT_EQ(task->line(), "continued");
}

TEST_F(Capsule, EndsTheTreeWhenItIsToldToAndSaysBeforeWhatItWasToldBefore) {
  start_fresh("trap '' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  say(Message(verb::kSay).add("text", "job 812 requeued"));
  say(Message(verb::kKill));
  EXPECT_EQ(task->line(), "stasis: job 812 requeued");
  EXPECT_EQ(task->wait(), SIGKILL);
}

TEST_F(Capsule, HandsASigtermOutWhenTheDaemonDiesBeforeItAnswers) {
  start_fresh("trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  ASSERT_EQ(::kill(task->pid(), SIGTERM), 0);
  EXPECT_EQ(hear().verb(), verb::kSignal);
  say(Message(verb::kTaken));
  listener.reset();
  init.reset();
  EXPECT_EQ(task->line(), "term");
  EXPECT_EQ(task->wait(), 3 << 8);
}

TEST_F(Capsule, TellsANewDaemonAllItKnows) {
  start_fresh("trap 'exit 4' USR1; echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  init.reset();
  accept();
  const Message hello = hear();
  EXPECT_EQ(hello.verb(), verb::kCapsule);
  EXPECT_EQ(hello.get("state"), "running");
  EXPECT_EQ(hello.get("root"), "1000");
  EXPECT_EQ(hello.get("first_start"), "1795239061");
  EXPECT_EQ(hello.get("excluded"), "n9");
  say(Message(verb::kAttached).add("first_start", 5).add("excluded", "n8"));
  say(Message(verb::kSay).add("text", "attached"));
  EXPECT_EQ(task->line(), "stasis: attached");
  init.reset();
  accept();
  const Message again = hear();
  EXPECT_EQ(again.get("first_start"), "5");
  EXPECT_EQ(again.get("excluded"), "n8");
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  EXPECT_EQ(task->wait(), 4 << 8);
}

TEST_F(Capsule, StartsANewJobWithoutADaemonAndFindsOneLater) {
  start("echo hello; trap 'exit 5' USR1; while :; do sleep 0.01; done");
  EXPECT_EQ(task->line(), "stasis: warning: stasisd does not answer on n1: this job is not protected until it does");
  EXPECT_EQ(task->line(), "hello");
  listen();
  accept();
  const Message hello = hear();
  EXPECT_EQ(hello.get("state"), "running");
  EXPECT_EQ(hello.get("root"), "1000");
  EXPECT_EQ(hello.get("first_start"), "0");
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  EXPECT_EQ(task->wait(), 5 << 8);
}

TEST_F(Capsule, DoesNotStartAJobWithoutADaemonThatIsToGoOnFromAnother) {
  facts.request.from = "811";
  start("echo started");
  // It has made all ready, found no daemon, and waits.
  ASSERT_TRUE(wait_for([&] {
    std::ifstream children("/proc/" + std::to_string(task->pid()) + "/task/" + std::to_string(task->pid()) +
                           "/children");
    std::string child;
    children >> child;
    const std::string status = read_file("/proc/" + child + "/status").value_or("");
    return ::access(("/proc/" + child + "/root" + kCapsuleVariables).c_str(), F_OK) == 0 &&
           status.find("State:\tS") != std::string::npos;
  }));
  listen();
  accept();
  EXPECT_EQ(hear().get("state"), "new");
  say(Message(verb::kHold).add("text", "not now"));
  EXPECT_EQ(task->rest(), "stasis: error: not now\n");
  EXPECT_EQ(task->wait(), 1 << 8);
}

TEST_F(Capsule, DoesNotStartAJobThatIsHeld) {
  listen();
  start("echo started");
  accept();
  ASSERT_EQ(hear().verb(), verb::kCapsule);
  say(Message(verb::kHold).add("text", "no checkpoint can be read"));
  EXPECT_EQ(task->rest(), "stasis: error: no checkpoint can be read\n");
  EXPECT_EQ(task->wait(), 1 << 8);
}

class CapsuleRestore : public Capsule {
 protected:
  // `script` is criu.
  void restore(const std::string& script) const {
    const UniqueFd images(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd anchor(::open((directory / "libexec/stasis/stasis-anchor").c_str(), O_RDONLY | O_CLOEXEC));
    Message order(verb::kRestore);
    order.add("root", 2000)
        .add("number", 7)
        .add("first_start", 1795239061)
        .add("argv", "/bin/sh")
        .add("argv", "-c")
        .add("argv", script);
    say(order, {images.get(), anchor.get()});
  }
  void ask() {
    listen();
    start("echo started over; exit 6");
    accept();
    ASSERT_EQ(hear().verb(), verb::kCapsule);
  }
};

TEST_F(CapsuleRestore, ReportsTheEndOfWhatCriuBroughtBack) {
  ask();
  restore("echo 1999 >/proc/sys/kernel/ns_last_pid; (sleep 0.05; echo restored >/proc/self/fd/201; exit 9) &");
  EXPECT_EQ(hear(), Message(verb::kRestored).add("root", 2000));
  EXPECT_EQ(task->line(), "restored");
  EXPECT_EQ(hear(), Message(verb::kExit).add("status", 9 << 8));
  EXPECT_EQ(task->wait(), 9 << 8);
}

TEST_F(CapsuleRestore, ReportsWhatEndsBeforeCriuDoes) {
  ask();
  // As a child of criu's that nobody waits for.
  restore("echo 1999 >/proc/sys/kernel/ns_last_pid; (exit 9) & exec sleep 0.1");
  EXPECT_EQ(hear().verb(), verb::kRestored);
  EXPECT_EQ(hear(), Message(verb::kExit).add("status", 9 << 8));
  EXPECT_EQ(task->wait(), 9 << 8);
}

TEST_F(CapsuleRestore, GivesCriuTheTasksStdioAndTheImagesAndNothingElse) {
  ask();
  restore(
      "exec >/proc/self/fd/201; echo $(ls /proc/self/fd); readlink /proc/self/fd/210; "
      "env | grep -v -e ^PWD= -e ^OLDPWD= -e ^_= -e ^SHLVL=; exit 1");
  // 3 is the directory that ls reads.
  EXPECT_EQ(task->line(), "0 1 2 200 201 202 210 3");
  EXPECT_EQ(task->line(), directory.path());
  EXPECT_EQ(task->line(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  EXPECT_EQ(hear(), Message(verb::kUnrestored).add("status", 1 << 8));
}

TEST_F(CapsuleRestore, AsksAgainWhenACheckpointDoesNotRestore) {
  ask();
  restore("exit 1");
  EXPECT_EQ(hear(), Message(verb::kUnrestored).add("status", 1 << 8));
  restore("kill -SEGV $$");
  EXPECT_EQ(hear().verb(), verb::kUnrestored);
  // Well, it said; but where is the process?
  restore("exit 0");
  EXPECT_EQ(hear(), Message(verb::kUnrestored).add("status", 0));
  say(Message(verb::kFresh).add("first_start", 1795239061));
  EXPECT_EQ(task->line(), "started over");
  EXPECT_EQ(task->wait(), 6 << 8);
}

TEST_F(CapsuleRestore, TellsTheNextDaemonThatItIsBeingRestored) {
  ask();
  restore(
      "echo working >/proc/self/fd/201; until [ -e /tmp/go ]; do sleep 0.01; done; "
      "echo 1999 >/proc/sys/kernel/ns_last_pid; (exit 9) & exec sleep 0.1");
  ASSERT_EQ(task->line(), "working");
  init.reset();
  accept();
  const Message hello = hear();
  EXPECT_EQ(hello.get("state"), "restoring");
  EXPECT_EQ(hello.get("number"), "7");
  EXPECT_EQ(hello.get("first_start"), "1795239061");
  const std::string tmp = std::filesystem::directory_iterator(directory / "tmp")->path();
  const std::ofstream go(tmp + "/tmp/go");
  EXPECT_EQ(hear().verb(), verb::kRestored);
  EXPECT_EQ(hear(), Message(verb::kExit).add("status", 9 << 8));
  EXPECT_EQ(task->wait(), 9 << 8);
}

TEST_F(CapsuleRestore, PassesSignalsToWhatWasRestored) {
  ask();
  restore(
      "echo 1999 >/proc/sys/kernel/ns_last_pid; "
      "sh -c 'trap \"echo usr1 >/proc/self/fd/201; exit 3\" USR1; echo ready >/proc/self/fd/201; while :; do sleep "
      "0.01; done' &");
  EXPECT_EQ(hear().verb(), verb::kRestored);
  EXPECT_EQ(task->line(), "ready");
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  EXPECT_EQ(task->line(), "usr1");
  EXPECT_EQ(task->wait(), 3 << 8);
}

TEST_F(CapsuleRestore, KeepsASignalThatComesWhileCriuIsAtWork) {
  ask();
  restore(
      "echo 1999 >/proc/sys/kernel/ns_last_pid; "
      "sh -c 'trap \"echo usr1 >/proc/self/fd/201; exit 3\" USR1; >/tmp/ready; while :; do sleep 0.01; done' & "
      "until [ -e /tmp/ready ]; do sleep 0.01; done; echo working >/proc/self/fd/201; until [ -e /tmp/go ]; do sleep "
      "0.01; done");
  EXPECT_EQ(task->line(), "working");
  ASSERT_EQ(::kill(task->pid(), SIGUSR1), 0);
  const std::string tmp = std::filesystem::directory_iterator(directory / "tmp")->path();
  const std::ofstream go(tmp + "/tmp/go");
  EXPECT_EQ(hear().verb(), verb::kRestored);
  EXPECT_EQ(task->line(), "usr1");
  EXPECT_EQ(task->wait(), 3 << 8);
}

TEST_F(Capsule, LeavesNothingBehindWhenTheTaskIsKilled) {
  start_fresh("setsid sh -c 'trap \"\" TERM; while :; do sleep 0.01; done' & echo ready; wait");
  ASSERT_EQ(task->line(), "ready");
  ASSERT_EQ(::kill(task->pid(), SIGKILL), 0);
  // Each of them has the pipe open.
  EXPECT_EQ(task->rest(), "");
  EXPECT_EQ(task->wait(), SIGKILL);
  EXPECT_EQ(hear().verb(), "silence");
}

TEST_F(Capsule, EndsTheTaskWhenInitIsKilled) {
  start_fresh("echo ready; while :; do sleep 0.01; done");
  ASSERT_EQ(task->line(), "ready");
  ASSERT_EQ(::kill(init_pid(), SIGKILL), 0);
  EXPECT_NE(task->wait(), 0);
}

TEST_F(Capsule, BelievesNothingOfRootThatTheJobSays) {
  // The payload's parent is the shim, the user's own process; its socket is closed to the payload.
  start_fresh("ls /proc/self/fd | tr '\\n' ' '; echo; cat /proc/1/environ /proc/1/maps 2>&1 | grep -c . ; exit 0");
  EXPECT_EQ(task->line(), "0 1 2 3 ");
  EXPECT_EQ(task->wait(), 0);
}

}  // namespace
}  // namespace stasis
