// SPDX-License-Identifier: Apache-2.0
#include "daemon/socket_translation.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "tests/unit/address_words.h"

namespace stasis {
namespace {

constexpr std::uint32_t kInetSocket = 4;

class SocketTranslation : public testing::Test {
 protected:
  void add(const std::string& from, std::uint32_t from_port, const std::string& to, std::uint32_t to_port,
           std::uint32_t state = TCP_ESTABLISHED, std::uint32_t proto = IPPROTO_TCP) {
    criu::File file;
    file.set_type(kInetSocket);
    file.set_id(static_cast<std::uint32_t>(entries.size()) + 1);
    criu::InetSocket& socket = *file.mutable_isk();
    socket.set_family(words(from).size() == 4 ? AF_INET6 : AF_INET);
    socket.set_proto(proto);
    socket.set_state(state);
    socket.set_src_port(from_port);
    socket.set_dst_port(to_port);
    for (const auto word : words(from)) socket.add_src_addr(word);
    for (const auto word : words(to)) socket.add_dst_addr(word);
    entries.push_back(file.SerializeAsString());
  }
  void translate() {
    auto done = translate_sockets(write_criu_image(entries, kCriuFilesMagic),
                                  AddressTranslation({{"eth0", words("10.0.0.1")}, {"eth0", words("fd00::1")}},
                                                     {{"eth0", words("10.0.0.2")}, {"eth0", words("fd00::2")}}));
    ASSERT_TRUE(done) << done.error().message;
    result = std::move(*done);
    auto after = read_criu_image(result.image, kCriuFilesMagic);
    ASSERT_TRUE(after);
    entries = std::move(*after);
  }
  // "10.0.0.2:80 > 0.0.0.0:0 10", with the state.
  std::string entry(std::size_t number) const {
    criu::File file;
    EXPECT_TRUE(file.ParseFromString(entries.at(number)));
    const auto& socket = file.isk();
    const auto text = [](const auto& field) { return to_string(AddressWords(field.begin(), field.end())); };
    return text(socket.src_addr()) + ":" + std::to_string(socket.src_port()) + " > " + text(socket.dst_addr()) + ":" +
           std::to_string(socket.dst_port()) + " " + std::to_string(socket.state());
  }

  std::vector<std::string> entries;
  TranslatedSockets result;
};

TEST_F(SocketTranslation, MovesListenersAndConnectionsWithinTheJob) {
  add("10.0.0.1", 5000, "0.0.0.0", 0, TCP_LISTEN);
  add("10.0.0.1", 5000, "10.0.0.1", 40000);
  add("10.0.0.1", 40000, "10.0.0.1", 5000);
  add("0.0.0.0", 80, "0.0.0.0", 0, TCP_LISTEN);
  add("127.0.0.1", 6000, "127.0.0.1", 6001);
  add("127.0.0.1", 6001, "127.0.0.1", 6000);
  add("fd00::1", 7000, "fd00::1", 7001);
  add("fd00::1", 7001, "fd00::1", 7000);
  translate();
  EXPECT_EQ(entry(0), "10.0.0.2:5000 > 0.0.0.0:0 10");
  EXPECT_EQ(entry(1), "10.0.0.2:5000 > 10.0.0.2:40000 1");
  EXPECT_EQ(entry(2), "10.0.0.2:40000 > 10.0.0.2:5000 1");
  EXPECT_EQ(entry(3), "0.0.0.0:80 > 0.0.0.0:0 10");
  EXPECT_EQ(entry(4), "127.0.0.1:6000 > 127.0.0.1:6001 1");
  EXPECT_EQ(entry(6), "fd00::2:7000 > fd00::2:7001 1");
  EXPECT_EQ(result.moved, 5);
  EXPECT_TRUE(result.closed.empty());
}

TEST_F(SocketTranslation, ClosesConnectionsToTheOutside) {
  add("10.0.0.1", 40000, "10.9.9.9", 5432);
  add("fd00::1", 40001, "fd00::99", 443, TCP_CLOSE_WAIT);
  // To a program on the old node that is not the job's.
  add("127.0.0.1", 40002, "127.0.0.1", 6010);
  translate();
  EXPECT_EQ(result.closed, (std::vector<std::string>{"10.9.9.9:5432", "[fd00::99]:443", "127.0.0.1:6010"}));
  EXPECT_EQ(entry(0), "0.0.0.0:0 > 0.0.0.0:0 7");
  EXPECT_EQ(entry(1), ":::0 > :::0 7");
  EXPECT_EQ(entry(2), "0.0.0.0:0 > 0.0.0.0:0 7");
}

TEST_F(SocketTranslation, KeepsAnEndThatMayHaveSomethingLeftToBeRead) {
  add("127.0.0.1", 6000, "127.0.0.1", 6001, TCP_CLOSE_WAIT);
  add("10.0.0.1", 6000, "10.0.0.1", 6001, TCP_CLOSE_WAIT);
  translate();
  EXPECT_EQ(entry(0), "127.0.0.1:6000 > 127.0.0.1:6001 8");
  EXPECT_EQ(entry(1), "10.0.0.2:6000 > 10.0.0.2:6001 8");
  EXPECT_TRUE(result.closed.empty());
}

TEST_F(SocketTranslation, MovesDatagramsAndLeavesTheirPeers) {
  add("10.0.0.1", 5353, "10.9.9.9", 53, TCP_ESTABLISHED, IPPROTO_UDP);
  translate();
  EXPECT_EQ(entry(0), "10.0.0.2:5353 > 10.9.9.9:53 1");
  EXPECT_TRUE(result.closed.empty());
}

TEST_F(SocketTranslation, KeepsWhatItDoesNotKnow) {
  // A regular file, which is field 3, and a socket with a field that CRIU does not have yet.
  const std::string file("\x08\x01\x10\x07\x1a\x02\x08\x07", 8);
  entries.push_back(file);
  add("10.0.0.1", 5000, "0.0.0.0", 0, TCP_LISTEN);
  entries[1] += std::string("\xf2\x07\x03new", 6);
  translate();
  EXPECT_EQ(entries[0], file);
  EXPECT_NE(entries[1].find("new"), std::string::npos);
  EXPECT_EQ(entry(1), "10.0.0.2:5000 > 0.0.0.0:0 10");
}

TEST_F(SocketTranslation, LeavesTheImageAsItIsWhenNothingHasToBeDone) {
  add("127.0.0.1", 6000, "0.0.0.0", 0, TCP_LISTEN);
  const std::string before = write_criu_image(entries, kCriuFilesMagic);
  translate();
  EXPECT_EQ(result.image, before);
}

TEST_F(SocketTranslation, RefusesWhatIsNoImageOfFiles) {
  const AddressTranslation none({}, {});
  EXPECT_EQ(translate_sockets("nonsense", none).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(translate_sockets(write_criu_image({"\xff\xff"}, kCriuFilesMagic), none).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace stasis
