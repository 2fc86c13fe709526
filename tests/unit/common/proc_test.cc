// SPDX-License-Identifier: Apache-2.0
#include "common/proc.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace stasis {
namespace {

std::string stat_of(const std::string& name) {
  return "4711 (" + name +
         ") S 1 4711 4700 34816 4711 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 22982656 1342 18446744073709551615 1 1 0 "
         "0 "
         "0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
}

class ProcStatName : public testing::TestWithParam<const char*> {};
TEST_P(ProcStatName, NeverMovesTheOtherFields) {
  const auto stat = parse_proc_stat(stat_of(GetParam()));
  ASSERT_TRUE(stat) << stat.error().message;
  EXPECT_EQ(stat->name, GetParam());
  EXPECT_EQ(stat->pid, 4711);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 1);
  EXPECT_EQ(stat->group, 4711);
  EXPECT_EQ(stat->session, 4700);
  EXPECT_EQ(stat->threads, 3);
  EXPECT_EQ(stat->start_ticks, 987654U);
}
INSTANTIATE_TEST_SUITE_P(Hostile, ProcStatName,
                         testing::Values("bash", "", " ", ")", "(", ") R 9 (", "a) R 0 0 0", "x\ny", "((((((",
                                         "1 (2) 3"));

TEST(ProcStat, CutAtAnyLengthIsRefusedOrCompleteButNeverACrash) {
  const std::string whole = stat_of("a) R 1 (b");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto stat = parse_proc_stat(std::string_view(whole).substr(0, length));
    if (stat) {
      EXPECT_EQ(stat->parent, 1);
    }
  }
  EXPECT_FALSE(parse_proc_stat(""));
  EXPECT_FALSE(parse_proc_stat("4711 bash S 1 1 1"));
}

TEST(ProcStat, OfALiveProcessTellsItsParentAndStart) {
  const auto self = read_proc_stat(::getpid());
  ASSERT_TRUE(self) << self.error().message;
  EXPECT_EQ(self->pid, ::getpid());
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_GT(self->start_ticks, 0U);
}

TEST(ProcStat, OfAChildWithAHostileNameIsRight) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, ") Z 0 (\n 1");
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  const auto stat = read_proc_stat(child);
  const auto process = read_proc_status(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(stat) << stat.error().message;
  EXPECT_EQ(stat->state, 'T');
  EXPECT_EQ(stat->parent, ::getpid());
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_EQ(process->uid.real, ::getuid());
}

TEST(Proc, OfAProcessThatIsGoneIsNotFound) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(read_proc_stat(child).error().kind, ErrorKind::not_found);
  EXPECT_EQ(read_proc_status(child).error().kind, ErrorKind::not_found);
  EXPECT_EQ(read_proc_cgroup(child).error().kind, ErrorKind::not_found);
}

TEST(ProcStatus, ReadsIdsGroupsNamespacePidsAndCapabilities) {
  const auto status = parse_proc_status(
      "Name:\tx\\nUid:\t0\t0\t0\t0\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t10\t11\t12\t13\n"
      "Groups:\t27 1000 \nNSpid:\t4711\t12\t1\nVmRSS:\t    5368 "
      "kB\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000002000\nSigBlk:\t0000000000000200\nSigIgn:"
      "\t0000000000001000\nSigCgt:\t0000000000004002\nCapInh:\t0000000000000000\n"
      "CapPrm:\t00000000000000ff\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000001\n"
      "State:\tS (sleeping)\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->uid.real, 1000U);
  EXPECT_EQ(status->signals_pending, 1U);
  EXPECT_EQ(status->process_signals_pending, 0x2000U);
  EXPECT_EQ(status->uid.effective, 1001U);
  EXPECT_EQ(status->uid.file_system, 1003U);
  EXPECT_EQ(status->gid.saved, 12U);
  EXPECT_EQ(status->groups, (std::vector<gid_t>{27, 1000}));
  EXPECT_EQ(status->pids, (std::vector<pid_t>{4711, 12, 1}));
  EXPECT_EQ(status->cap_permitted, 0xffU);
  EXPECT_EQ(status->cap_effective, 0x1ffffffffffU);
  EXPECT_EQ(status->cap_ambient, 1U);
  EXPECT_EQ(status->resident_kib, 5368U);
  EXPECT_EQ(status->state, 'S');
  EXPECT_EQ(status->switches, 157U);
  EXPECT_EQ(status->signals_blocked, 0x200U);
  EXPECT_EQ(status->signals_ignored, 0x1000U);
  EXPECT_EQ(status->signals_caught, 0x4002U);
}

TEST(ProcStatus, WithoutIdsOrWithNonsenseIsRefused) {
  EXPECT_FALSE(parse_proc_status(""));
  EXPECT_FALSE(parse_proc_status("Uid:\t1\t1\t1\t1\n"));
  EXPECT_FALSE(parse_proc_status("Uid:\t1\t1\t1\nGid:\t1\t1\t1\t1\n"));
  EXPECT_FALSE(parse_proc_status("State:\t\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"));
  EXPECT_FALSE(parse_proc_status("voluntary_ctxt_switches:\tx\nUid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"));
  EXPECT_FALSE(parse_proc_status("Uid:\t-1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"));
  EXPECT_FALSE(parse_proc_status("Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\nCapEff:\txyz\n"));
}

TEST(ProcCgroup, ReadsVersionOneAndTwo) {
  const auto entries = parse_proc_cgroup(
      "12:memory:/slurm/uid_1000/job_8/step_batch\n4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/system.slice/x\n");
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_EQ(*entries, (std::vector<CgroupEntry>{{12, "memory", "/slurm/uid_1000/job_8/step_batch"},
                                                {4, "cpu,cpuacct", "/a:b"},
                                                {1, "name=systemd", "/"},
                                                {0, "", "/system.slice/x"}}));
}

TEST(ProcCgroup, WithoutAPathIsRefused) {
  EXPECT_FALSE(parse_proc_cgroup("12:memory\n"));
  EXPECT_FALSE(parse_proc_cgroup("x:memory:/a\n"));
  EXPECT_FALSE(parse_proc_cgroup("12:memory:a\n"));
  EXPECT_TRUE(read_proc_cgroup(::getpid()));
}

}  // namespace
}  // namespace stasis
