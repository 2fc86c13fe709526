// SPDX-License-Identifier: Apache-2.0
#include "capsule/placement.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace stasis {
namespace {

std::vector<int> cpus(const cpu_set_t& set) {
  std::vector<int> found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
  }
  return found;
}

TEST(CpuList, IsNumbersAndRanges) {
  EXPECT_EQ(cpus(parse_cpu_list("0").value()), (std::vector<int>{0}));
  EXPECT_EQ(cpus(parse_cpu_list("0-3,8").value()), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(cpus(parse_cpu_list("5,1-2,2").value()), (std::vector<int>{1, 2, 5}));
  EXPECT_EQ(cpus(parse_cpu_list("7-7").value()), (std::vector<int>{7}));
  EXPECT_EQ(cpus(parse_cpu_list("0-1023").value()).size(), 1024U);
}

TEST(CpuList, OfNonsenseIsRefused) {
  for (const char* text : {"",
                           ",",
                           "-",
                           "a",
                           "1,",
                           ",1",
                           "1-",
                           "-1",
                           "3-1",
                           "1--2",
                           "1-2-3",
                           "1 2",
                           " 1",
                           "1\n",
                           "1024",
                           "0-1024",
                           "4294967295",
                           "99999999999999999999",
                           "0-4294967295",
                           "0x1"}) {
    const auto set = parse_cpu_list(text);
    EXPECT_FALSE(set) << "'" << text << "'";
    if (!set) {
      EXPECT_EQ(set.error().kind, ErrorKind::corrupt);
    }
  }
}

TEST(Placement, IsThatOfTheOtherProcess) {
  cpu_set_t ours;
  ASSERT_EQ(::sched_getaffinity(0, sizeof ours, &ours), 0);
  if (CPU_COUNT(&ours) < 2) GTEST_SKIP() << "has one processor only";
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &ours)) --last;
  const pid_t child = ::fork();
  if (child == 0) {
    while (true) ::pause();
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  ASSERT_EQ(::sched_setaffinity(child, sizeof one, &one), 0);
  const auto taken = take_placement_of(child);
  cpu_set_t now;
  ::sched_getaffinity(0, sizeof now, &now);
  ::sched_setaffinity(0, sizeof ours, &ours);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(cpus(now), std::vector<int>{last});
}

TEST(Placement, OfAProcessThatIsGoneIsNotFound) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(take_placement_of(child).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace stasis
