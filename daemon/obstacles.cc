// SPDX-License-Identifier: Apache-2.0
#include "daemon/obstacles.h"

#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <filesystem>

#include "common/log.h"
#include "common/proc.h"
#include "common/read_file.h"
#include "daemon/connections.h"
#include "daemon/steps_first.h"

namespace stasis {
namespace {

constexpr std::string_view kAnonymous = "anon_inode:";
// As criu 4.2 carries them.
constexpr std::array<std::string_view, 9> kCarried{"[eventfd]",  "[eventpoll]", "[signalfd]", "[timerfd]", "[pidfd]",
                                                   "[fanotify]", "inotify",     "bpf-map",    "[bpf-map]"};
// Majors of Linux' Documentation/admin-guide/devices.txt: memory (null, zero, random), terminals and their pairs.
constexpr std::array<unsigned, 3> kCarriedMajors{1, 4, 5};
constexpr unsigned kFirstPty = 136;
constexpr unsigned kLastPty = 143;
constexpr unsigned kMisc = 10;
constexpr unsigned kTun = 200;
// They take it for the end when poll() returns EINTR, which it does at a dump, and end their program (seen with
// util-linux 2.41). By their whole path: a user's own program may be called so, too.
constexpr std::array<std::string_view, 2> kEndAtADump{"/usr/bin/script", "/usr/bin/scriptlive"};
// MQUEUE_MAGIC of Linux' ipc/mqueue.c, which no header has.
constexpr unsigned kMessageQueues = 0x19800202;

std::string proc_of(pid_t pid, const std::string& what) { return "/proc/" + std::to_string(pid) + "/" + what; }

std::string read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : "";
}

std::string advice_for_device(std::string_view path) {
  if (path.starts_with("/dev/nvidia") || path.starts_with("/dev/dri/") || path == "/dev/kfd") {
    return "what is on a GPU cannot be carried: let the program save its own state";
  }
  if (path.starts_with("/dev/infiniband/")) {
    return "RDMA cannot be carried: have MPI use shared memory or TCP";
  }
  return "close the device before a checkpoint, or let the program save its own state";
}

bool is_message_queue(const std::string& path) {
  struct statfs system {};
  return ::statfs(path.c_str(), &system) == 0 && static_cast<unsigned>(system.f_type) == kMessageQueues;
}

bool is_carried(const struct stat& status) {
  const unsigned type = major(status.st_rdev);
  if (std::find(kCarriedMajors.begin(), kCarriedMajors.end(), type) != kCarriedMajors.end()) return true;
  return (type >= kFirstPty && type <= kLastPty) || (type == kMisc && minor(status.st_rdev) == kTun);
}

// One for each kind of object a process has, however many descriptors.
class Finder {
 public:
  Finder(const std::vector<CapsuleProcess>& tree, OutsideConnections connections)
      : tree_(tree), connections_(connections) {}

  std::vector<Obstacle> find() {
    for (const auto& process : tree_) {
      at_ = &process;
      begin_ = found_.size();
      const auto stat = read_proc_stat(process.host);
      if (!stat || stat->state == 'Z' || stat->state == 'X') continue;
      name_ = printable(stat->name);
      look_at_program();
      look_at_tracer();
      look_at_namespaces();
      look_at_descriptors();
    }
    add_connections();
    return std::move(found_);
  }

 private:
  void add(std::string object, std::string advice, bool blocks = true) {
    const auto same = [&](const Obstacle& other) { return other.object == object; };
    if (std::any_of(found_.begin() + static_cast<std::ptrdiff_t>(begin_), found_.end(), same)) return;
    found_.push_back({at_->inside, name_, std::move(object), std::move(advice), blocks});
  }

  void look_at_program() {
    // Its connections to slurmctld and to the step's daemons would be dead at any other time and place.
    if (is_srun(at_->host)) {
      add("a step to wait for",
          "it cannot be carried along; its tasks are checkpointed each for itself, and the script when they have "
          "ended");
    }
    const std::string program = read_link(proc_of(at_->host, "exe"));
    if (std::find(kEndAtADump.begin(), kEndAtADump.end(), program) != kEndAtADump.end()) {
      add("a program that ends at a checkpoint, " + program,
          "it ends itself and what it runs when a wait of it is interrupted: run the program without it, or in tmux");
    }
    // criu dumps it and then finds no file to start it from ("No entry for reg-file-ID", seen with 4.2).
    if (program.starts_with("/memfd:")) {
      add("its program in memory, run from a memfd", "a program without a file cannot be carried: run it from one");
    }
  }

  void look_at_tracer() {
    const auto status = read_file(proc_of(at_->host, "status"), 1 << 20);
    if (!status) return;
    const auto at = status->find("\nTracerPid:\t");
    if (at == std::string::npos) return;
    pid_t tracer = 0;
    std::from_chars(status->data() + at + 12, status->data() + status->size(), tracer);
    if (tracer == 0) return;
    const auto stat = read_proc_stat(tracer);
    add("a tracer, " + (stat ? printable(stat->name) : std::string("which has just ended")),
        "a process that is traced by a debugger, strace or the like cannot be dumped: end that one");
  }

  void look_at_namespaces() {
    for (const char* name : {"user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time"}) {
      const std::string link = "ns/" + std::string(name);
      const std::string its = read_link(proc_of(at_->host, link));
      const std::string job = read_link(proc_of(tree_.front().host, link));
      if (its.empty() || job.empty() || its == job) continue;
      add("namespaces of its own",
          "containers and sandboxes that a job makes for itself cannot be carried: run the program without");
      return;
    }
  }

  void look_at_descriptors() {
    std::error_code error;
    for (std::filesystem::directory_iterator at(proc_of(at_->host, "fd"), error), end; !error && at != end;
         at.increment(error)) {
      const std::string path = at->path().string();
      struct stat status {};
      if (::stat(path.c_str(), &status) != 0) continue;
      const std::string link = read_link(path);
      const auto judged = judge_descriptor(link, status);
      if (judged) add(judged->object, judged->advice);
      if (S_ISREG(status.st_mode) && is_message_queue(path)) {
        add("a POSIX message queue, " + printable(link),
            "no criu can carry those: use pipes, sockets or System V's message queues");
      }
      if (S_ISSOCK(status.st_mode)) sockets_.push_back({status.st_ino, at_, name_});
    }
  }

  void add_connections() {
    std::vector<ino_t> inodes;
    inodes.reserve(sockets_.size());
    for (const auto& socket : sockets_) inodes.push_back(socket.inode);
    const auto outside = tree_.empty() ? std::vector<Connection>() : connections_outside(tree_.front().host, inodes);
    for (const auto& connection : outside) {
      const auto of = std::find_if(sockets_.begin(), sockets_.end(),
                                   [&](const auto& socket) { return socket.inode == connection.inode; });
      if (of == sockets_.end()) continue;
      at_ = of->process;
      name_ = of->program;
      begin_ = 0;
      const std::string object = "a connection to " + printable(connection.peer) + ", outside of the job";
      if (connection.local) {
        // criu has the last word on those: a socket that is under way from one process to another is nobody's.
        add(object, "half of a local connection cannot be dumped: have it closed when a checkpoint is due", false);
      } else if (connections_ == OutsideConnections::refuse) {
        add(object, "at this site no such job is checkpointed: have it closed when a checkpoint is due");
      } else {
        add(object, "where the job goes on it is closed, and the program gets an error: one that connects anew is fine",
            false);
      }
    }
  }

  struct Socket {
    ino_t inode;
    const CapsuleProcess* process;
    std::string program;
  };

  const std::vector<CapsuleProcess>& tree_;
  const OutsideConnections connections_;
  const CapsuleProcess* at_ = nullptr;
  std::string name_;
  std::size_t begin_ = 0;
  std::vector<Obstacle> found_;
  std::vector<Socket> sockets_;
};

}  // namespace

std::string Obstacle::sentence() const {
  return "process " + std::to_string(process) + " (" + program + ") has " + object + ": " + advice;
}

std::optional<Judged> judge_descriptor(std::string_view link, const struct stat& status) {
  if (link.starts_with(kAnonymous)) {
    const auto kind = link.substr(kAnonymous.size());
    if (std::find(kCarried.begin(), kCarried.end(), kind) != kCarried.end()) return std::nullopt;
    if (kind == "[io_uring]") {
      return Judged{"io_uring", "have the program do without; for node.js that is UV_USE_IO_URING=0"};
    }
    return Judged{"a descriptor of the kind " + printable(kind), "no criu can carry that kind"};
  }
  if (S_ISBLK(status.st_mode)) return Judged{printable(link), "block devices cannot be carried"};
  if (!S_ISCHR(status.st_mode) || is_carried(status)) return std::nullopt;
  return Judged{printable(link), advice_for_device(link)};
}

std::vector<Obstacle> find_obstacles(const std::vector<CapsuleProcess>& tree, OutsideConnections connections) {
  return Finder(tree, connections).find();
}

}  // namespace stasis
