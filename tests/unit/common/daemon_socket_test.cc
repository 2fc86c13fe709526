// SPDX-License-Identifier: Apache-2.0
#include "common/daemon_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

class DaemonSocket : public testing::Test {
 protected:
  UniqueFd bound() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::chmod(path.c_str(), 0666);
    return socket;
  }
  UniqueFd listening(int queue = 8) const {
    UniqueFd socket = bound();
    EXPECT_EQ(::listen(socket.get(), queue), 0);
    return socket;
  }
  Result<UniqueFd> connect(std::chrono::milliseconds wait = 10s) const {
    return connect_to_daemon(path.c_str(), Deadline::in(wait));
  }

  TempDirectory directory;
  const std::string path = directory / "stasisd.sock";
};

TEST_F(DaemonSocket, ConnectsToADaemonOfRoot) {
  if (::getuid() != 0) GTEST_SKIP() << "only root's daemon is believed";
  const UniqueFd listener = listening();
  const auto socket = connect();
  ASSERT_TRUE(socket) << socket.error().message;
  EXPECT_EQ(::fcntl(socket->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(DaemonSocket, ThatIsNotThereIsNotFound) {
  const auto socket = connect();
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error(),
            (Error{ErrorKind::not_found, "connect to stasisd at " + path + ": No such file or directory"}));
}

TEST_F(DaemonSocket, WhereNobodyListensIsLost) {
  { const UniqueFd gone = listening(); }
  const auto socket = connect();
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error(), (Error{ErrorKind::lost, "connect to stasisd at " + path + ": nobody listens"}));
}

TEST_F(DaemonSocket, ThatDoesNotAcceptIsGivenUpAtTheDeadline) {
  if (::getuid() != 0) GTEST_SKIP() << "only root's daemon is believed";
  const UniqueFd listener = listening(0);
  std::vector<Result<UniqueFd>> queue;
  while (queue.empty() || (queue.back() && queue.size() < 100)) queue.push_back(connect(50ms));
  ASSERT_FALSE(queue.back());
  EXPECT_EQ(queue.back().error().kind, ErrorKind::timed_out);
}

TEST_F(DaemonSocket, OfSomebodyElseIsNotBelieved) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
  const UniqueFd socket = bound();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  // The kernel notes who listens at the time of listen().
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) == 0 && ::setuid(65534) == 0 && ::listen(socket.get(), 8) == 0)
      (void)!::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto connected = connect();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error(),
            (Error{ErrorKind::denied, "connect to stasisd at " + path + ": whoever listens there is not root"}));
}

TEST_F(DaemonSocket, WithAPathThatNoSocketCanHaveIsRefused) {
  const std::string longest = "/" + std::string(sizeof(sockaddr_un::sun_path) - 2, 'x');
  EXPECT_EQ(connect_to_daemon(longest.c_str(), Deadline::in(1s)).error().kind, ErrorKind::not_found);
  const auto longer = connect_to_daemon((longest + "x").c_str(), Deadline::in(1s));
  ASSERT_FALSE(longer);
  EXPECT_NE(longer.error().message.find("path too long"), std::string::npos);
}

}  // namespace
}  // namespace stasis
