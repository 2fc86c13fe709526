// SPDX-License-Identifier: Apache-2.0
// Real processes, which have what they are to be accused of.
#include "daemon/obstacles.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>

#include "common/unique_fd.h"
#include "daemon/connections.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct stat device(unsigned type, unsigned number, mode_t kind = S_IFCHR) {
  struct stat status {};
  status.st_mode = kind | 0600;
  status.st_rdev = makedev(type, number);
  return status;
}

// A child that does something, says so, and waits for its end.
class Child {
 public:
  explicit Child(const std::function<bool()>& prepare) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const char word = prepare() ? 'y' : 'n';
      (void)!::write(ready[1], &word, 1);
      while (true) ::pause();
    }
    char word = 'n';
    (void)!::read(ready[0], &word, 1);
    able_ = word == 'y';
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  bool able() const { return able_; }

 private:
  pid_t pid_ = -1;
  bool able_ = false;
};

std::vector<CapsuleProcess> tree(std::initializer_list<pid_t> pids) {
  std::vector<CapsuleProcess> processes;
  for (const pid_t pid : pids) processes.push_back({pid, static_cast<pid_t>(10 + processes.size()), 1});
  return processes;
}

TEST(JudgeDescriptor, KnowsWhatCriuCarries) {
  struct stat plain {};
  for (const char* link : {"anon_inode:[eventfd]", "anon_inode:[eventpoll]", "anon_inode:inotify",
                           "anon_inode:[timerfd]", "/home/alice/file", "pipe:[12]", "socket:[7]"}) {
    EXPECT_FALSE(judge_descriptor(link, plain)) << link;
  }
  EXPECT_FALSE(judge_descriptor("/dev/null", device(1, 3)));
  EXPECT_FALSE(judge_descriptor("/dev/pts/3", device(136, 3)));
  EXPECT_FALSE(judge_descriptor("/dev/tty", device(5, 0)));
}

TEST(JudgeDescriptor, TellsWhatToDoAboutTheRest) {
  struct stat plain {};
  const auto ring = judge_descriptor("anon_inode:[io_uring]", plain);
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->object, "io_uring");
  EXPECT_THAT(ring->advice, HasSubstr("UV_USE_IO_URING=0"));
  EXPECT_EQ(judge_descriptor("anon_inode:[perf_event]", plain)->object, "a descriptor of the kind [perf_event]");
  EXPECT_THAT(judge_descriptor("/dev/nvidia0", device(195, 0))->advice, HasSubstr("GPU"));
  EXPECT_THAT(judge_descriptor("/dev/infiniband/uverbs0", device(231, 192))->advice, HasSubstr("RDMA"));
  EXPECT_EQ(judge_descriptor("/dev/fuse", device(10, 229))->object, "/dev/fuse");
  EXPECT_TRUE(judge_descriptor("/dev/vda", device(254, 0, S_IFBLK)));
}

TEST(FindObstacles, FindsNothingInAnOrdinaryProcess) {
  const Child child([] { return ::eventfd(0, 0) >= 0; });
  ASSERT_TRUE(child.able());
  EXPECT_THAT(find_obstacles(tree({child.pid()}), OutsideConnections::close), IsEmpty());
}

TEST(FindObstacles, FindsATracedProcess) {
  const Child child([] { return true; });
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr), 0);
  const auto found = find_obstacles(tree({child.pid()}), OutsideConnections::close);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].sentence(), HasSubstr("process 10 (test_daemon) has a tracer, test_daemon: "));
  EXPECT_TRUE(found[0].blocks);
}

TEST(FindObstacles, FindsNamespacesThatAreNotTheRoots) {
  const Child root([] { return true; });
  const Child child([] { return ::unshare(CLONE_NEWUTS) == 0; });
  if (!child.able()) GTEST_SKIP() << "SKIP_ not allowed to make a namespace";
  const auto found = find_obstacles(tree({root.pid(), child.pid()}), OutsideConnections::close);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].process, 11);
  EXPECT_EQ(found[0].object, "namespaces of its own");
}

TEST(FindObstacles, FindsAPosixMessageQueue) {
  const std::string name = "/stasis-test-" + std::to_string(::getpid());
  const Child child([&] { return ::mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, nullptr) >= 0; });
  ::mq_unlink(name.c_str());
  if (!child.able()) GTEST_SKIP() << "SKIP_ no message queues here";
  const auto found = find_obstacles(tree({child.pid()}), OutsideConnections::close);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].object, HasSubstr("a POSIX message queue, " + name));
  EXPECT_TRUE(found[0].blocks);
}

// It was dumped, and could be restored on no node.
TEST(FindObstacles, FindsAProgramThatIsRunFromMemory) {
  std::array<int, 2> line{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, line.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int memory = ::memfd_create("cat", MFD_CLOEXEC);
    const int file = ::open("/bin/cat", O_RDONLY | O_CLOEXEC);
    while (::sendfile(memory, file, nullptr, 1 << 20) > 0) {
    }
    ::dup2(line[1], 0);
    ::dup2(line[1], 1);
    char name[] = "cat";
    char* const argv[] = {name, nullptr};
    ::fexecve(memory, argv, environ);
    _exit(1);
  }
  char word = 'x';
  ASSERT_EQ(::write(line[0], &word, 1), 1);
  ASSERT_EQ(::read(line[0], &word, 1), 1);
  const auto found = find_obstacles(tree({pid}), OutsideConnections::close);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].object, HasSubstr("run from a memfd"));
  EXPECT_TRUE(found[0].blocks);
}

// It killed what it ran as soon as that was dumped.
TEST(FindObstacles, FindsAProgramThatEndsAtADump) {
  constexpr const char* kScript = "/usr/bin/script";
  if (::access(kScript, X_OK) != 0) GTEST_SKIP() << "SKIP_ there is no " << kScript;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execl(kScript, "script", "-q", "-c", "exec sleep 1000", "/dev/null", nullptr);
    _exit(1);
  }
  std::vector<Obstacle> found;
  EXPECT_TRUE(wait_for([&] { return !(found = find_obstacles(tree({pid}), OutsideConnections::close)).empty(); }));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].object, "a program that ends at a checkpoint, /usr/bin/script");
  EXPECT_TRUE(found[0].blocks);
}

TEST(FindObstacles, FindsAStreamWhoseOtherEndIsElsewhere) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Child one([&] { return ::close(ends[1]) == 0; });
  const Child other([&] { return ::close(ends[0]) == 0; });
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_THAT(find_obstacles(tree({one.pid(), other.pid()}), OutsideConnections::close), IsEmpty());
  const auto found = find_obstacles(tree({one.pid()}), OutsideConnections::close);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].object, HasSubstr("a connection to a Unix socket without a name, outside of the job"));
  EXPECT_FALSE(found[0].blocks);
}

TEST(FindObstacles, FindsATcpConnectionToAnotherProcess) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const at = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener.get(), at, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), at, &size), 0);
  const Child child([&] { return ::connect(::socket(AF_INET, SOCK_STREAM, 0), at, size) == 0; });
  ASSERT_TRUE(child.able());
  const auto found = find_obstacles(tree({child.pid()}), OutsideConnections::close);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].object,
            "a connection to 127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + ", outside of the job");
  EXPECT_FALSE(found[0].blocks) << "it is closed where the job goes on";
  const auto refused = find_obstacles(tree({child.pid()}), OutsideConnections::refuse);
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_TRUE(refused[0].blocks);
}

TEST(ParseNetTcp, LeavesOutWhatIsNotOursNotEstablishedOrWithin) {
  const char* const text =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n"
      "   1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1\n"
      "   2: 0100007F:8000 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1\n"
      "   3: 0700000A:9000 0800000A:1538 01 00000000:00000000 00:00000000 00000000  1000        0 4 1 0 20 4 30 10 -1\n"
      "   4: 0700000A:9001 0800000A:1538 01 00000000:00000000 00:00000000 00000000  1000        0 5 1 0 20 4 30 10 -1\n"
      "nonsense\n";
  const auto outside = parse_net_tcp(text, {1, 2, 3, 4});
  ASSERT_THAT(outside, SizeIs(1));
  EXPECT_EQ(outside[0].inode, 4U);
  EXPECT_EQ(outside[0].peer, "10.0.0.8:5432");
}

TEST(ParseNetTcp, ReadsAddressesOfTheSixthVersion) {
  const char* const text =
      "header\n"
      "   0: 00000000000000000000000001000000:A000 B80D0120000000000000000001000000:0016 01 0:0 0:0 0 1000 0 9 1 0\n";
  const auto outside = parse_net_tcp(text, {9});
  ASSERT_THAT(outside, SizeIs(1));
  EXPECT_EQ(outside[0].peer, "[2001:db8::1]:22");
}

}  // namespace
}  // namespace stasis
