// SPDX-License-Identifier: Apache-2.0
#include "common/checkpoint_method.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Kind = CheckpointMethod::Kind;

struct Written {
  const char* text;
  CheckpointMethod method;
};
class MethodWritten : public testing::TestWithParam<Written> {};
TEST_P(MethodWritten, IsUnderstood) {
  const auto method = parse_checkpoint_method(GetParam().text);
  ASSERT_TRUE(method) << method.error().message;
  EXPECT_EQ(*method, GetParam().method);
  EXPECT_EQ(parse_checkpoint_method(to_string(*method)).value(), *method);
}
INSTANTIATE_TEST_SUITE_P(AsUsersWriteIt, MethodWritten,
                         testing::Values(Written{"criu", {}}, Written{"signal", {Kind::signal, SIGUSR1, 60s}},
                                         Written{"signal:TERM", {Kind::signal, SIGTERM, 60s}},
                                         Written{"signal:SIGUSR2:120", {Kind::signal, SIGUSR2, 120s}},
                                         Written{"signal:15:1", {Kind::signal, SIGTERM, 1s}},
                                         Written{"auto", {Kind::automatic, SIGUSR1, 60s}},
                                         Written{"auto:XCPU:65535", {Kind::automatic, SIGXCPU, 65535s}}));

class MethodThatIsNone : public testing::TestWithParam<const char*> {};
TEST_P(MethodThatIsNone, IsRefusedWithWhatIsAllowed) {
  const auto method = parse_checkpoint_method(GetParam());
  ASSERT_FALSE(method);
  EXPECT_EQ(method.error().message,
            std::string("'") + GetParam() +
                "' is no way to make checkpoints: write criu, signal[:SIG[:SECONDS]] or auto[:SIG[:SECONDS]], such as "
                "signal:USR1:120, with one of USR1, USR2, URG, TERM, INT, HUP, QUIT, XCPU and 1 to 65535 seconds");
}
INSTANTIATE_TEST_SUITE_P(Words, MethodThatIsNone,
                         testing::Values("", "CRIU", "criu:USR1", "signal:", "signal::60", "signal:KILL", "signal:STOP",
                                         "signal:9", "signal:0", "signal:-10", "signal:USR1:", "signal:USR1:0",
                                         "signal:USR1:65536", "signal:USR1:60s", "signal:USR1:60:60", "signal:usr1",
                                         "signal:SIGSIGUSR1", "auto:60", "dmtcp", " signal"));

TEST(CheckpointMethod, TellsSignalsThatAskToEndFromOthers) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU}) EXPECT_TRUE(asks_to_end(number)) << number;
  for (const int number : {SIGUSR1, SIGUSR2, SIGURG}) EXPECT_FALSE(asks_to_end(number)) << number;
  EXPECT_EQ(signal_name(SIGUSR1), "SIGUSR1");
  EXPECT_EQ(signal_name(64), "signal 64");
}

}  // namespace
}  // namespace stasis
