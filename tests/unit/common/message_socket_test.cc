// SPDX-License-Identifier: Apache-2.0
#include "common/message_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace stasis {
namespace {

using namespace std::chrono_literals;

std::ptrdiff_t count_open_fds() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

template <class T>
ErrorKind kind_of(const Result<T>& result) {
  if (result) throw std::logic_error("it worked");
  return result.error().kind;
}

class MessageSocket : public testing::Test {
 protected:
  MessageSocket() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    near.reset(ends[0]);
    far.reset(ends[1]);
  }

  // What a peer without manners would send.
  void send_raw(const std::string& bytes, const std::vector<int>& fds = {}) const {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(far.get(), &header, 0), static_cast<ssize_t>(bytes.size()));
  }

  UniqueFd near;
  UniqueFd far;
};

TEST_F(MessageSocket, DeliversMessagesWholeAndInOrder) {
  ASSERT_TRUE(send_message(far.get(), Message("first").add("n", 1), Deadline::in(5s)));
  ASSERT_TRUE(send_message(far.get(), Message("second"), Deadline::in(5s)));
  EXPECT_EQ(receive_message(near.get(), Deadline::in(5s))->message, Message("first").add("n", 1));
  EXPECT_EQ(receive_message(near.get(), Deadline::in(5s))->message.verb(), "second");
}

TEST_F(MessageSocket, DeliversTheLargestMessage) {
  const Message large = Message("x").add("k", std::string(kMaxMessageBytes - 13, 'v'));
  ASSERT_EQ(large.encode().value().size(), kMaxMessageBytes);
  ASSERT_TRUE(send_message(far.get(), large, Deadline::in(5s)));
  const auto received = receive_message(near.get(), Deadline::in(5s));
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->message, large);
}

TEST_F(MessageSocket, PassesDescriptorsThatAreCloseOnExec) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(::pipe(pipe_ends.data()), 0);
  const UniqueFd read_end(pipe_ends[0]);
  UniqueFd write_end(pipe_ends[1]);
  std::vector<int> fds(kMaxMessageFds, write_end.get());
  ASSERT_TRUE(send_message(far.get(), Message("fds"), fds, Deadline::in(5s)));
  auto received = receive_message(near.get(), Deadline::in(5s));
  ASSERT_TRUE(received) << received.error().message;
  ASSERT_EQ(received->fds.size(), kMaxMessageFds);
  for (const UniqueFd& fd : received->fds) EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::write(received->fds.back().get(), "x", 1), 1);
  char byte = 0;
  ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(MessageSocket, RefusesToSendTooManyDescriptorsAndMalformedMessages) {
  const std::vector<int> fds(kMaxMessageFds + 1, 0);
  EXPECT_FALSE(send_message(far.get(), Message("x"), fds, Deadline::in(5s)));
  EXPECT_FALSE(send_message(far.get(), Message("BAD"), Deadline::in(5s)));
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(0ms))), ErrorKind::timed_out);
}

TEST_F(MessageSocket, ClosesEveryDescriptorOfAMessageItRefuses) {
  const auto before = count_open_fds();
  send_raw("junk", {0, 1, 2});
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(5s))), ErrorKind::corrupt);
  send_raw(std::string("stasis1\0x\0", 10), std::vector<int>(kMaxMessageFds + 3, 0));
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(5s))), ErrorKind::corrupt);
  EXPECT_EQ(count_open_fds(), before);
}

TEST_F(MessageSocket, KnowsTheSenderOfEachMessageWhenAsked) {
  ASSERT_TRUE(send_message(far.get(), Message("before"), Deadline::in(5s)));
  EXPECT_FALSE(receive_message(near.get(), Deadline::in(5s))->sender);
  ASSERT_TRUE(ask_for_senders(near.get()));

  const pid_t child = ::fork();
  if (child == 0) {
    const std::vector<int> fds(kMaxMessageFds, 0);
    ::_exit(send_message(far.get(), Message("after"), fds, Deadline::in(5s)) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto received = receive_message(near.get(), Deadline::in(5s));
  ASSERT_TRUE(received) << received.error().message;
  ASSERT_TRUE(received->sender);
  EXPECT_EQ(received->sender->pid, child);
  EXPECT_EQ(received->fds.size(), kMaxMessageFds);
}

TEST_F(MessageSocket, RefusesAMessageLongerThanAllowed) {
  send_raw(std::string("stasis1\0x\0k=", 12) + std::string(kMaxMessageBytes, 'v') + '\0');
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(5s))), ErrorKind::corrupt);
  ASSERT_TRUE(send_message(far.get(), Message("next"), Deadline::in(5s)));
  EXPECT_TRUE(receive_message(near.get(), Deadline::in(5s)));
}

TEST_F(MessageSocket, TellsAClosedConnectionFromSilence) {
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(10ms))), ErrorKind::timed_out);
  far.reset();
  EXPECT_EQ(kind_of(receive_message(near.get(), Deadline::in(5s))), ErrorKind::lost);
  EXPECT_EQ(kind_of(send_message(near.get(), Message("x"), Deadline::in(5s))), ErrorKind::lost);
}

TEST_F(MessageSocket, GivesUpOnAPeerThatDoesNotRead) {
  const Message large = Message("x").add("k", std::string(60000, 'v'));
  Result<void> sent;
  for (int i = 0; i < 1000 && sent; ++i) sent = send_message(far.get(), large, Deadline::in(20ms));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().kind, ErrorKind::timed_out);
}

TEST_F(MessageSocket, WaitsForAMessageThatIsOnItsWay) {
  std::thread peer([this] {
    std::this_thread::sleep_for(30ms);
    EXPECT_TRUE(send_message(far.get(), Message("late"), Deadline::in(5s)));
  });
  const auto received = receive_message(near.get(), Deadline::in(5s));
  peer.join();
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->message.verb(), "late");
}

TEST_F(MessageSocket, KnowsThePeerFromTheKernel) {
  const auto peer = peer_credentials(near.get());
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::getuid());
  EXPECT_EQ(peer->gid, ::getgid());
  EXPECT_FALSE(peer_credentials(-1));
}

}  // namespace
}  // namespace stasis
