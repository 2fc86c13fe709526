// SPDX-License-Identifier: Apache-2.0
#include "common/protocol.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/message.h"

namespace stasis {
namespace {

TEST(Protocol, VerbsAreDifferentAndCanBeSent) {
  const std::set<std::string> verbs{
      verb::kAdmit,      verb::kProtect,  verb::kUnprotected, verb::kCapsule,  verb::kGo,         verb::kFresh,
      verb::kRestore,    verb::kHold,     verb::kAttached,    verb::kRestored, verb::kUnrestored, verb::kRefused,
      verb::kBorn,       verb::kSignal,   verb::kTaken,       verb::kDeliver,  verb::kSay,        verb::kExit,
      verb::kCheckpoint, verb::kEvacuate, verb::kEnd};
  EXPECT_EQ(verbs.size(), 21U);
  for (const auto& verb : verbs) EXPECT_TRUE(Message(verb).encode()) << verb;
}

TEST(Protocol, DescriptorsGivenToCriuDoNotCollide) {
  const std::set<int> numbers{
      kFirstInheritedStdio, kFirstInheritedStdio + 1, kFirstInheritedStdio + 2, kImagesFd, kHookFd,
      kHookFd + 1};  // the last is the run's lock
  EXPECT_EQ(numbers.size(), 6U);
}

}  // namespace
}  // namespace stasis
