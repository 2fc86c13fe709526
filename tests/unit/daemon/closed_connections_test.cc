// SPDX-License-Identifier: Apache-2.0
#include "daemon/closed_connections.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "common/unique_fd.h"
#include "tests/unit/address_words.h"

namespace stasis {
namespace {

bool meet(const std::string& one, const std::string& other, unsigned number = 80) {
  const bool result = Port{words(one), 80}.meets({words(other), number});
  EXPECT_EQ((Port{words(other), number}.meets({words(one), 80})), result);
  return result;
}

TEST(Port, MeetsOneAtTheSameAddress) {
  EXPECT_TRUE(meet("10.0.0.1", "10.0.0.1"));
  EXPECT_TRUE(meet("fd00::1", "fd00::1"));
  EXPECT_FALSE(meet("10.0.0.1", "10.0.0.2"));
  EXPECT_FALSE(meet("fd00::1", "fd00::2"));
  EXPECT_FALSE(meet("10.0.0.1", "fd00::1"));
  EXPECT_FALSE(meet("10.0.0.1", "10.0.0.1", 81));
}

TEST(Port, MeetsOneAtAllAddresses) {
  EXPECT_TRUE(meet("0.0.0.0", "10.0.0.2"));
  EXPECT_TRUE(meet("::", "10.0.0.2"));
  EXPECT_TRUE(meet("::", "fd00::1"));
  EXPECT_FALSE(meet("::", "fd00::1", 81));
}

TEST(Port, MeetsTheSameAddressInTheOtherWayOfWritingIt) {
  EXPECT_TRUE(meet("::ffff:10.0.0.1", "10.0.0.1"));
  EXPECT_FALSE(meet("::ffff:10.0.0.1", "10.0.0.2"));
}

class ClosedConnections : public testing::Test {
 protected:
  // A connection over loopback whose server's end was closed first.
  void SetUp() override {
    const UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(server.get(), plain, size), 0);
    ASSERT_EQ(::listen(server.get(), 1), 0);
    ASSERT_EQ(::getsockname(server.get(), plain, &size), 0);
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), plain, size), 0);
    UniqueFd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(peer);
    peer.reset();
    char end = 0;
    ASSERT_EQ(::read(client.get(), &end, 1), 0);
    number = ntohs(address.sin_port);
  }
  bool is_free() const {
    const UniqueFd next(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(number));
    // As CRIU does it.
    const int yes = 1;
    ::setsockopt(next.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    return ::bind(next.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  unsigned number = 0;
};

TEST_F(ClosedConnections, KeepTheirPortUntilTheyAreEnded) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs CAP_NET_ADMIN";
  ASSERT_FALSE(is_free());
  EXPECT_EQ(end_closed_connections({{words("10.0.0.1"), number}, {words("127.0.0.1"), number + 1}}), 0);
  ASSERT_FALSE(is_free());
  EXPECT_EQ(end_closed_connections({{words("127.0.0.1"), number}}), 1);
  EXPECT_TRUE(is_free());
}

TEST_F(ClosedConnections, AreFoundForASocketAtAllAddresses) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs CAP_NET_ADMIN";
  EXPECT_EQ(end_closed_connections({{words("0.0.0.0"), number}}), 1);
  EXPECT_TRUE(is_free());
}

}  // namespace
}  // namespace stasis
