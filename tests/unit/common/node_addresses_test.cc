// SPDX-License-Identifier: Apache-2.0
#include "common/node_addresses.h"

#include <gtest/gtest.h>

#include "tests/unit/address_words.h"

namespace stasis {
namespace {

// "eth0 10.0.0.1", each.
std::vector<NodeAddress> addresses(std::initializer_list<std::pair<const char*, const char*>> list) {
  std::vector<NodeAddress> result;
  for (const auto& [interface, text] : list) result.push_back({interface, words(text)});
  return result;
}

std::string translated(const AddressTranslation& translation, const std::string& text) {
  const auto found = translation.translate(words(text));
  return found ? found->interface + " " + to_string(found->words) : "";
}

TEST(NodeAddresses, ReadsWhatItWrites) {
  const auto list = addresses({{"eth0", "10.0.0.1"}, {"eth0", "fd00::1"}, {"ib0", "fe80::1"}});
  EXPECT_EQ(parse_node_addresses(write_node_addresses(list)), list);
  EXPECT_EQ(write_node_addresses(addresses({{"eth0", "10.0.0.7"}})), "address eth0 10.0.0.7\n");
}

TEST(NodeAddresses, PassesOverWhatItDoesNotKnow) {
  const auto list = addresses({{"eth0", "10.0.0.1"}});
  EXPECT_EQ(parse_node_addresses("cpu avx512\naddress eth0 10.0.0.1\naddress eth0\naddress eth0 nowhere\n"), list);
  EXPECT_TRUE(parse_node_addresses("").empty());
}

TEST(NodeAddresses, OfThisMachineAreNoneOfLoopback) {
  const auto list = own_addresses();
  ASSERT_TRUE(list) << list.error().message;
  for (const auto& address : *list) EXPECT_FALSE(is_loopback(address.words)) << to_string(address.words);
}

TEST(NodeAddresses, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"}) EXPECT_TRUE(is_loopback(words(text)));
  for (const char* text : {"128.0.0.1", "::2", "::ffff:10.0.0.1", "::"}) EXPECT_FALSE(is_loopback(words(text)));
}

TEST(AddressTranslation, PutsTheNewNodesAddressInThePlaceOfTheOldOnes) {
  const AddressTranslation translation(addresses({{"eth0", "10.0.0.1"}, {"eth0", "fd00::1"}, {"ib0", "10.1.0.1"}}),
                                       addresses({{"ib0", "10.1.0.2"}, {"eth0", "10.0.0.2"}, {"eth0", "fd00::2"}}));
  EXPECT_EQ(translated(translation, "10.0.0.1"), "eth0 10.0.0.2");
  EXPECT_EQ(translated(translation, "10.1.0.1"), "ib0 10.1.0.2");
  EXPECT_EQ(translated(translation, "fd00::1"), "eth0 fd00::2");
  EXPECT_EQ(translated(translation, "::ffff:10.0.0.1"), "eth0 ::ffff:10.0.0.2");
  EXPECT_EQ(translated(translation, "10.0.0.9"), "") << "somebody else's";
  EXPECT_EQ(translated(translation, "0.0.0.0"), "");
  EXPECT_EQ(translated(translation, "127.0.0.1"), "");
}

TEST(AddressTranslation, TakesAnyOfTheSameKindWhereInterfacesHaveOtherNames) {
  const AddressTranslation translation(addresses({{"eno1", "10.0.0.1"}, {"eno1", "fe80::1"}, {"eno1", "fd00::1"}}),
                                       addresses({{"enp3", "fe80::2"}, {"enp3", "10.0.0.2"}}));
  EXPECT_EQ(translated(translation, "10.0.0.1"), "enp3 10.0.0.2");
  EXPECT_EQ(translated(translation, "fe80::1"), "enp3 fe80::2");
  EXPECT_EQ(translated(translation, "fd00::1"), "") << "no such kind here";
}

TEST(AddressTranslation, LeavesAnAddressThatBothNodesHave) {
  const AddressTranslation translation(addresses({{"docker0", "172.17.0.1"}, {"eth0", "10.0.0.1"}}),
                                       addresses({{"docker0", "172.17.0.1"}, {"eth0", "10.0.0.2"}}));
  EXPECT_EQ(translated(translation, "172.17.0.1"), "");
  EXPECT_TRUE(translation.is_local(words("172.17.0.1")));
  EXPECT_TRUE(translation.is_local(words("10.0.0.1")));
  EXPECT_TRUE(translation.is_local(words("::ffff:10.0.0.1")));
  EXPECT_TRUE(translation.is_local(words("::1")));
  EXPECT_FALSE(translation.is_local(words("10.0.0.2"))) << "another node's, when the checkpoint was made";
}

}  // namespace
}  // namespace stasis
