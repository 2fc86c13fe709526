// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon.h"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <random>
#include <set>

#include "common/janitor.h"
#include "common/protocol.h"
#include "common/scratch_memory.h"
#include "daemon/leftovers.h"
#include "daemon/metrics_file.h"
#include "daemon/protection.h"
#include "daemon/stale_scripts.h"
#include "daemon/worker_clock.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kPeerReads{2};
constexpr std::chrono::seconds kAskSlurmAgain{5};
constexpr std::chrono::seconds kStrangersMayWait{30};
// A capsule connects again within a second.
constexpr std::chrono::seconds kCapsulesAreBack{15};
constexpr std::chrono::hours kCleanEvery{1};
// As often as Prometheus usually looks.
constexpr std::chrono::seconds kMetricsEvery{15};

}  // namespace

Daemon::Daemon(Config config, Keys keys, Log& log) : services_(std::move(config), std::move(keys), log) {
  log.listen([this](LogLevel level, std::string_view line) { recent_.add(std::time(nullptr), level, line); });
}

Result<void> Daemon::run() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&wanted, number);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  services_.loop.watch(signals_.get(), [this] { on_signal(); });
  use_scratch_directory(services_.config.local);
  STASIS_TRY(listen());
  // In some containers. The kernel lets a criu that is bound by a filter dump no process that has one.
  filtered_ = ::prctl(PR_GET_SECCOMP) != 0;
  if (filtered_) {
    services_.log.warning(
        "stasisd runs under a seccomp filter: jobs are given none, and those that use io_uring, or a "
        "filter of their own, cannot be checkpointed");
  }
  learn_slurm();
  services_.loop.after(kCapsulesAreBack, [this] { clean_up(); });
  clean_store_later();
  write_metrics();
  services_.log.info("ready: store {}, socket {}", services_.config.store, services_.config.socket);
  services_.loop.run();
  services_.log.info("stops; {} capsules go on, {} operations are finished by themselves", runs_.size(),
                     services_.workers.count());
  return {};
}

Result<void> Daemon::listen() {
  const std::string& path = services_.config.socket;
  const auto directory = std::filesystem::path(path).parent_path();
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return fail(errno_error("mkdir " + directory.string(), errno));
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorKind::failed, "socket: the path is too long");
  std::copy(path.begin(), path.end(), address.sun_path);
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A second daemon would take the first one's capsules: the one that answers stays.
  if (::connect(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return fail(ErrorKind::busy, "another stasisd listens at " + path);
  }
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return fail(errno_error("bind " + path, errno));
  }
  // Everybody may ask; who may have what is decided by the kernel's word on who it is.
  ::chmod(path.c_str(), 0666);
  if (::listen(listener_.get(), 1024) != 0) return fail(errno_error("listen", errno));
  services_.loop.watch(listener_.get(), [this] { on_connect(); });
  return {};
}

// Once per start: what slurm.conf says that matters here.
void Daemon::learn_slurm() {
  const auto started = services_.workers.start(
      {},
      [this](const WorkerLine&) {
        Message message("slurm");
        const auto values = services_.slurm.configuration(Deadline::in(kSlurmAnswers));
        if (!values) return std::move(message).add("text", values.error().message);
        const auto value = [&](const char* key) {
          const auto found = values->find(key);
          return found == values->end() ? std::string() : found->second;
        };
        const int stale = remove_stale_scripts(spool_of_this_node(value("SlurmdSpoolDir")), node_started());
        return std::move(message)
            .add("stale", stale)
            .add("cluster", value("ClusterName"))
            .add("container", value("JobContainerType"))
            .add("proctrack", value("ProctrackType"))
            .add("kill_wait", value("KillWait"));
      },
      [this](const Message& message, bool ended) {
        if (!ended) return;
        const auto cluster = message.get("cluster");
        if (!cluster) {
          services_.log.warning("slurmctld does not tell its configuration: {}", message.get("text").value_or("?"));
          services_.loop.after(kAskSlurmAgain, [this] { learn_slurm(); });
          return;
        }
        if (services_.config.cluster.empty()) services_.config.cluster = std::string(*cluster);
        if (const auto stale = message.get("stale").value_or("0"); stale != "0") {
          services_.log.info("removed {} batch scripts that Slurm left when this node went down", stale);
        }
        services_.keeps_tmp = message.get("container").value_or("").find("tmpfs") != std::string_view::npos;
        services_.tree_signalled = message.get("proctrack") == "proctrack/linuxproc";
        // "30 sec"
        const auto said = message.get("kill_wait").value_or("");
        int kill_wait = 0;
        std::from_chars(said.data(), said.data() + said.size(), kill_wait);
        if (kill_wait > 0) services_.kill_wait = std::chrono::seconds(kill_wait);
        services_.knows_slurm = true;
      });
  if (!started) services_.log.error("cannot start a worker: {}", started.error().message);
}

// Soon after the start, when every capsule of this node has connected, and then now and again.
void Daemon::clean_up() {
  std::set<std::string> living;
  for (const auto& [fd, keeper] : runs_) living.insert(local_directory(services_.config, keeper->run().facts));
  for (const auto& [pid, keeper] : quiet_) living.insert(local_directory(services_.config, keeper->run().facts));
  const auto started = services_.workers.start(
      {},
      [this, living](const WorkerLine&) {
        return Message("cleaned").add("count", remove_leftovers(services_.config, living));
      },
      [this](const Message& message, bool ended) {
        const auto count = message.get_int("count", 0, INT32_MAX).value_or(0);
        if (ended && count > 0) services_.log.info("removed {} leftovers of runs that ended unseen", count);
      });
  if (!started) services_.log.error("cannot start a worker: {}", started.error().message);
  services_.loop.after(kCleanEvery, [this] { clean_up(); });
}

// Once a day at a moment of chance, so that a thousand nodes are not at it together. Whoever comes first does the work.
void Daemon::clean_store_later() {
  static std::minstd_rand random{std::random_device{}()};
  const auto wait = std::chrono::seconds(std::uniform_int_distribution<long>(3600, 2 * 86400 - 3600)(random));
  services_.loop.after(wait, [this] {
    const auto started = services_.workers.start(
        {},
        [this](const WorkerLine&) {
          SystemClock clock;
          JanitorRules rules;
          rules.idle_for = services_.config.orphans_after;
          const auto report = clean_store(services_.store, services_.config.cluster, services_.slurm, rules,
                                          [&](std::chrono::milliseconds pause) { clock.pause(pause); });
          return Message("cleaned").add("removed", report.removed).add("failed", report.failed).add("why", report.why);
        },
        [this](const Message& message, bool ended) {
          if (!ended) return;
          services_.log.info("janitor: removed the checkpoints of {} jobs, {} failed {}",
                             message.get("removed").value_or("?"), message.get("failed").value_or("?"),
                             message.get("why").value_or(""));
        });
    if (!started) services_.log.error("cannot start a worker: {}", started.error().message);
    clean_store_later();
  });
}

// A file of some KiB on the node's own disk: the one thing that is not worth a worker.
void Daemon::write_metrics() {
  if (services_.config.metrics_file.empty()) return;
  const auto text = services_.metrics.text(runs_.size(), services_.workers.count(), last_checkpoints(runs()));
  const auto written = write_metrics_file(services_.config.metrics_file, text);
  if (!written && !metrics_fail_) services_.log.warning("no metrics: {}", written.error().message);
  metrics_fail_ = !written;
  services_.loop.after(kMetricsEvery, [this] { write_metrics(); });
}

void Daemon::on_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      services_.workers.reap();
    } else {
      services_.loop.stop();
    }
  }
}

void Daemon::on_connect() {
  while (true) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    const int fd = socket.get();
    // Everybody may connect; nobody may stay without a reason.
    const auto patience = services_.loop.after(kStrangersMayWait, [this, fd] {
      if (awaited_.count(fd) == 0) forget_stranger(fd);
    });
    strangers_[fd] = {std::move(socket), patience};
    services_.loop.watch(fd, [this, fd] { on_message(fd); });
  }
}

void Daemon::on_message(int socket) {
  const auto received = receive_message(socket, Deadline::in(std::chrono::seconds(0)));
  if (!received && received.error().kind == ErrorKind::timed_out) return;
  if (const auto known = runs_.find(socket); known != runs_.end()) {
    const RunKeeperPtr keeper = known->second;
    return received ? keeper->hear(received->message) : lose_run(socket);
  }
  const auto peer = peer_credentials(socket);
  if (!received || !peer) return forget_stranger(socket);
  on_stranger(socket, received->message, *peer);
}

void Daemon::on_stranger(int socket, const Message& message, const PeerCredentials& peer) {
  const std::string& verb = message.verb();
  if (verb == verb::kAdmit && peer.uid == 0) {
    on_admit(socket, message);
  } else if (verb == verb::kCapsule && peer.uid == 0) {
    on_capsule(socket, message, peer);
  } else if ((verb == verb::kCheckpoint || verb == verb::kEvacuate) && awaited_.count(socket) == 0) {
    on_ask(socket, message, peer);
  } else if (Questions::knows(verb) && awaited_.count(socket) == 0) {
    on_question(socket, message, peer);
  } else {
    forget_stranger(socket);
  }
}

void Daemon::forget_stranger(int socket) {
  services_.loop.unwatch(socket);
  awaited_.erase(socket);
  const auto stranger = strangers_.find(socket);
  if (stranger == strangers_.end()) return;
  services_.loop.cancel(stranger->second.patience);
  strangers_.erase(stranger);
}

void Daemon::on_admit(int socket, const Message& message) {
  const auto facts = TaskFacts::from_message(message);
  if (!facts) return forget_stranger(socket);
  const auto decision = decide_for_task(services_.config, *facts);
  Message answer(verb::kUnprotected);
  if (!decision) {
    const std::string fate = facts->goes_on_from_another() ? "error: " : "this task runs unprotected: ";
    answer.add("reason", "bad_request").add("notice", fate + decision.error().message);
    recent_.set_owner(facts->job, facts->uid);
    services_.log.warning("job={} not protected: {}", facts->name(), printable(decision.error().message));
  } else if (const auto* no = std::get_if<NotProtected>(&*decision)) {
    answer.add("reason", to_string(*no));
  } else {
    answer = Message(verb::kProtect);
    answer.add("keep_tmp", services_.keeps_tmp ? 1 : 0).add("tree_signalled", services_.tree_signalled ? 1 : 0);
    const bool allow = filtered_ || services_.config.policy_for(facts->partition).allow_io_uring;
    answer.add("allow_io_uring", allow ? 1 : 0);
    for (const auto& note : std::get<Protection>(*decision).notes) answer.add("notice", note);
  }
  (void)send_message(socket, answer, Deadline::in(kPeerReads));
}

void Daemon::on_capsule(int socket, const Message& message, const PeerCredentials& peer) {
  Stranger& stranger = strangers_.at(socket);
  services_.loop.cancel(stranger.patience);
  UniqueFd connection = std::move(stranger.socket);
  strangers_.erase(socket);
  const auto keeper = RunKeeper::meet(services_, message, peer, std::move(connection));
  if (!keeper) {
    services_.log.error("a capsule cannot be looked after: {}", keeper.error().message);
    return services_.loop.unwatch(socket);
  }
  // The same init with a new connection: what was known of it, it has just told again.
  if (const auto before = quiet_.find(peer.pid); before != quiet_.end()) {
    before->second->retire();
    quiet_.erase(before);
  }
  recent_.set_owner((*keeper)->run().facts.job, (*keeper)->run().facts.uid);
  runs_[socket] = *keeper;
  (*keeper)->begin(message);
}

void Daemon::lose_run(int socket) {
  const RunKeeperPtr keeper = runs_.at(socket);
  services_.loop.unwatch(socket);
  runs_.erase(socket);
  const pid_t init = keeper->run().init;
  quiet_[init] = keeper;
  keeper->lose_connection([this, init] { quiet_.erase(init); });
}

// The kernel's word on who asks decides: everybody may have his own jobs checkpointed, root all.
void Daemon::on_ask(int socket, const Message& message, const PeerCredentials& peer) {
  const bool all = message.verb() == verb::kEvacuate;
  const auto job = message.get_int("job", 1, UINT32_MAX).value_or(0);
  const bool requeue = all || message.get_int("requeue", 0, 1).value_or(0) == 1;
  std::vector<RunKeeperPtr> wanted;
  for (const auto& [fd, keeper] : runs_) {
    const TaskFacts& facts = keeper->run().facts;
    if ((all || facts.job == job) && (peer.uid == 0 || facts.uid == peer.uid)) wanted.push_back(keeper);
  }
  std::string refusal;
  if (all && peer.uid != 0) refusal = "only root may evacuate a node";
  if (!all && wanted.empty()) refusal = "no protected job " + std::to_string(job) + " of yours runs on this node";
  if (!refusal.empty()) (void)send_message(socket, Message("skipped").add("text", refusal), Deadline::in(kPeerReads));
  if (!refusal.empty() || wanted.empty()) {
    (void)send_message(socket, Message(verb::kEnd), Deadline::in(kPeerReads));
    return;
  }
  awaited_[socket] = static_cast<int>(wanted.size());
  for (const auto& keeper : wanted) {
    keeper->checkpoint(
        requeue ? Afterwards::requeue : Afterwards::go_on, all ? "evacuated" : "requested",
        [this, socket, name = keeper->run().name()](const Message& result) { answer(socket, name, result); });
  }
}

std::vector<RunKeeperPtr> Daemon::runs() const {
  std::vector<RunKeeperPtr> runs;
  runs.reserve(runs_.size());
  for (const auto& [fd, keeper] : runs_) runs.push_back(keeper);
  return runs;
}

void Daemon::on_question(int socket, const Message& message, const PeerCredentials& peer) {
  // He is waited for until he is answered, and his connection's number may be another's by then: his patience is not.
  awaited_[socket] = 1;
  questions_.answer(socket, message, peer, runs(), [this, socket, who = strangers_.at(socket).patience] {
    const auto stranger = strangers_.find(socket);
    if (stranger != strangers_.end() && stranger->second.patience == who) forget_stranger(socket);
  });
}

void Daemon::answer(int asker, const std::string& name, Message result) {
  // He may have gone home; a later connection of the same number has not asked for anything.
  const auto waits = awaited_.find(asker);
  if (waits == awaited_.end()) return;
  (void)send_message(asker, result.add("name", name), Deadline::in(kPeerReads));
  if (--waits->second == 0) (void)send_message(asker, Message(verb::kEnd), Deadline::in(kPeerReads));
}

}  // namespace stasis
