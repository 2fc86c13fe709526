// SPDX-License-Identifier: Apache-2.0
#include "daemon/late_signals.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>

#include "common/criu_core.pb.h"
#include "common/criu_image.h"

namespace stasis {
namespace {

constexpr pid_t kLeader = 1000;
constexpr pid_t kThread = 1001;

std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

// A process of two threads, whose interval timer is off.
class LateSignals : public testing::Test {
 protected:
  LateSignals() {
    auto& real = *leader.mutable_tc()->mutable_timers()->mutable_real();
    real.set_isec(0);
    real.set_iusec(0);
    real.set_vsec(0);
    real.set_vusec(0);
    leader.mutable_thread_core();
    thread.mutable_thread_core();
    now.threads = {{kLeader, 0}, {kThread, 0}};
  }
  criu::PosixTimer& add_timer(std::uint32_t id, int signal, std::uint64_t next_ns = 0) {
    criu::PosixTimer& timer = *leader.mutable_tc()->mutable_timers()->add_posix();
    timer.set_it_id(id);
    timer.set_si_signo(static_cast<std::uint32_t>(signal));
    timer.set_it_sigev_notify(SIGEV_SIGNAL);
    timer.set_sival_ptr(77);
    timer.set_isec(0);
    timer.set_insec(0);
    timer.set_vsec(0);
    timer.set_vnsec(next_ns);
    return timer;
  }
  // True: an image has changed.
  bool add_late() {
    std::map<pid_t, std::string> cores{
        {kLeader, write_criu_image({leader.SerializeAsString()}, kCriuCoreMagic)},
        {kThread, write_criu_image({thread.SerializeAsString()}, kCriuCoreMagic)},
    };
    const auto added = add_late_signals(cores, kLeader, now);
    EXPECT_TRUE(added) << added.error().message;
    EXPECT_TRUE(leader.ParseFromString(read_criu_image(cores[kLeader], kCriuCoreMagic)->at(0)));
    EXPECT_TRUE(thread.ParseFromString(read_criu_image(cores[kThread], kCriuCoreMagic)->at(0)));
    return added && *added;
  }
  static siginfo_t only_one(const criu::PendingSignals& queue) {
    siginfo_t info{};
    EXPECT_EQ(queue.signals_size(), 1);
    EXPECT_EQ(queue.signals(0).siginfo().size(), sizeof info);
    std::memcpy(&info, queue.signals(0).siginfo().data(), sizeof info);
    return info;
  }

  criu::Core leader, thread;
  PendingNow now;
};

TEST_F(LateSignals, AnAlarmIsAdded) {
  now.process = bit(SIGALRM);
  EXPECT_TRUE(add_late());
  const siginfo_t info = only_one(leader.tc().signals_s());
  EXPECT_EQ(info.si_signo, SIGALRM);
  EXPECT_EQ(info.si_code, SI_KERNEL);
  EXPECT_FALSE(add_late()) << "it is there now";
}

TEST_F(LateSignals, AnAlarmThatIsStillToComeIsNot) {
  leader.mutable_tc()->mutable_timers()->mutable_real()->set_vusec(1);
  now.process = bit(SIGALRM);
  EXPECT_FALSE(add_late());
}

TEST_F(LateSignals, AnAlarmThatItsTimerWillBringAgainIsNot) {
  add_timer(3, SIGALRM, 1);
  now.process = bit(SIGALRM);
  EXPECT_FALSE(add_late());
}

TEST_F(LateSignals, APeriodicAlarmGoesOn) {
  leader.mutable_tc()->mutable_timers()->mutable_real()->set_iusec(5000);
  now.process = bit(SIGALRM);
  EXPECT_TRUE(add_late());
  EXPECT_EQ(leader.tc().timers().real().vusec(), 5000u);
  EXPECT_EQ(only_one(leader.tc().signals_s()).si_signo, SIGALRM);
}

TEST_F(LateSignals, ThatOfATimerSaysWhichOne) {
  add_timer(3, SIGUSR1);
  add_timer(4, SIGUSR2, 1);
  now.process = bit(SIGUSR1) | bit(SIGUSR2);
  EXPECT_TRUE(add_late());
  const siginfo_t info = only_one(leader.tc().signals_s());
  EXPECT_EQ(info.si_signo, SIGUSR1);
  EXPECT_EQ(info.si_code, SI_TIMER);
  EXPECT_EQ(info.si_timerid, 3);
  EXPECT_EQ(info.si_value.sival_int, 77);
}

TEST_F(LateSignals, ThatForAThreadGoesToIt) {
  criu::PosixTimer& timer = add_timer(0, SIGRTMIN);
  timer.set_it_sigev_notify(SIGEV_THREAD_ID);
  timer.set_notify_thread_id(kThread);
  now.process = bit(SIGRTMIN);
  EXPECT_FALSE(add_late());
  now.threads[kThread] = bit(SIGRTMIN);
  EXPECT_TRUE(add_late());
  EXPECT_EQ(only_one(thread.thread_core().signals_p()).si_signo, SIGRTMIN);
  EXPECT_EQ(leader.tc().signals_s().signals_size(), 0);
}

TEST_F(LateSignals, WhatOthersHaveSentIsNotAdded) {
  add_timer(0, SIGTERM);
  now.process = bit(SIGTERM) | bit(SIGUSR1) | bit(SIGCHLD);
  EXPECT_FALSE(add_late());
  now.process = 0;
  EXPECT_FALSE(add_late());
}

TEST_F(LateSignals, WhatIsNoImageIsRefused) {
  std::map<pid_t, std::string> cores{{kLeader, "nothing of criu's"}};
  EXPECT_FALSE(add_late_signals(cores, kLeader, now));
}

}  // namespace
}  // namespace stasis
