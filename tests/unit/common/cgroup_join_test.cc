// SPDX-License-Identifier: Apache-2.0
#include "common/cgroup_join.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace stasis {
namespace {

using Mounts = std::vector<CgroupMount>;

// Debian 9 to 11 with v1, as systemd mounts it; RHEL adds "seclabel".
constexpr char kVersionOne[] =
    "22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n"
    "31 22 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755\n"
    "33 31 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup "
    "rw,xattr,release_agent=/usr/lib/systemd/systemd-cgroups-agent,name=systemd\n"
    "37 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,seclabel,cpu,cpuacct\n"
    "38 31 0:33 / /sys/fs/cgroup/memory rw,nosuid shared:16 master:3 - cgroup cgroup rw,memory\n"
    "39 31 0:34 / /sys/fs/cgroup/cpuset rw,nosuid shared:17 - cgroup cgroup rw,cpuset,clone_children\n";
constexpr char kVersionTwo[] =
    "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

CgroupEntry memory(const std::string& path) { return {9, "memory", path}; }

TEST(CgroupMounts, OfVersionOneAreKnownByTheirControllers) {
  EXPECT_EQ(parse_cgroup_mounts(kVersionOne), (Mounts{{"name=systemd", "/", "/sys/fs/cgroup/systemd"},
                                                      {"cpu,cpuacct", "/", "/sys/fs/cgroup/cpu,cpuacct"},
                                                      {"memory", "/", "/sys/fs/cgroup/memory"},
                                                      {"cpuset", "/", "/sys/fs/cgroup/cpuset"}}));
}

TEST(CgroupMounts, OfVersionTwoHaveNoControllers) {
  EXPECT_EQ(parse_cgroup_mounts(kVersionTwo), (Mounts{{"", "/", "/sys/fs/cgroup"}}));
}

TEST(CgroupMounts, OfAHybridMachineAreBoth) {
  const auto mounts = parse_cgroup_mounts(
      "40 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
      "41 31 0:36 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n");
  EXPECT_EQ(mounts, (Mounts{{"", "/", "/sys/fs/cgroup/unified"}, {"freezer", "/", "/sys/fs/cgroup/freezer"}}));
  EXPECT_EQ(cgroup_directory({0, "", "/slurm/job_8"}, mounts).value(), "/sys/fs/cgroup/unified/slurm/job_8");
  EXPECT_EQ(cgroup_directory({5, "freezer", "/slurm/job_8"}, mounts).value(), "/sys/fs/cgroup/freezer/slurm/job_8");
}

TEST(CgroupMounts, AreOnlyWhatTheKernelWouldWrite) {
  for (const char* text :
       {"", "\n\n", "31 22 0:26 /", "a b c d e f - cgroup2", "a b c d e f g h i j", "- cgroup cgroup rw"}) {
    EXPECT_TRUE(parse_cgroup_mounts(text).empty()) << text;
  }
}

TEST(CgroupDirectory, IsBelowTheMountPoint) {
  const auto mounts = parse_cgroup_mounts(kVersionOne);
  EXPECT_EQ(cgroup_directory(memory("/slurm/uid_1001/job_8/step_batch"), mounts).value(),
            "/sys/fs/cgroup/memory/slurm/uid_1001/job_8/step_batch");
  EXPECT_EQ(cgroup_directory({4, "cpuacct,cpu", "/a"}, mounts).value(), "/sys/fs/cgroup/cpu,cpuacct/a");
  EXPECT_EQ(cgroup_directory({1, "name=systemd", "/"}, mounts).value(), "/sys/fs/cgroup/systemd");
}

TEST(CgroupDirectory, OfAHierarchyThatIsNotMountedIsNotFound) {
  const auto missing = cgroup_directory({7, "devices", "/a"}, parse_cgroup_mounts(kVersionOne));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), (Error{ErrorKind::not_found, "no mounted cgroup hierarchy shows 'devices:/a'"}));
  // Version two is not the mount of just any controller.
  EXPECT_FALSE(cgroup_directory(memory("/a"), parse_cgroup_mounts(kVersionTwo)));
}

TEST(CgroupDirectory, IsFoundWhereOnlyAPartOfTheHierarchyIsMounted) {
  const Mounts mounts{{"memory", "/docker/1", "/sys/fs/cgroup/memory"}};
  EXPECT_EQ(cgroup_directory(memory("/docker/1"), mounts).value(), "/sys/fs/cgroup/memory");
  EXPECT_EQ(cgroup_directory(memory("/docker/1/slurm"), mounts).value(), "/sys/fs/cgroup/memory/slurm");
  EXPECT_FALSE(cgroup_directory(memory("/docker/12"), mounts));
  EXPECT_FALSE(cgroup_directory(memory("/"), mounts));
}

TEST(CgroupDirectory, IsTheSecondMountWhereTheFirstDoesNotShowIt) {
  const Mounts mounts{{"memory", "/a", "/mnt/a"}, {"memory", "/", "/mnt/all"}};
  EXPECT_EQ(cgroup_directory(memory("/b"), mounts).value(), "/mnt/all/b");
}

// A process outside of the reader's cgroup namespace: its path begins with "/..", and so does the root of a mount that
// was made outside.
TEST(CgroupDirectory, OutsideOfTheNamespaceIsFoundByAMountFromOutsideOnly) {
  const Mounts inside{{"memory", "/", "/sys/fs/cgroup/memory"}};
  EXPECT_FALSE(cgroup_directory(memory("/../job_9"), inside));
  EXPECT_FALSE(cgroup_directory(memory("/.."), inside));
  const Mounts outside{{"memory", "/..", "/sys/fs/cgroup/memory"}};
  EXPECT_EQ(cgroup_directory(memory("/.."), outside).value(), "/sys/fs/cgroup/memory");
  EXPECT_EQ(cgroup_directory(memory("/../job_9"), outside).value(), "/sys/fs/cgroup/memory/job_9");
  EXPECT_FALSE(cgroup_directory(memory("/../../other"), outside));
  EXPECT_EQ(cgroup_directory(memory("/..data/x"), inside).value(), "/sys/fs/cgroup/memory/..data/x");
}

TEST(JoinCgroups, OfAProcessInTheSameOnesHasNothingToDo) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto joined = join_cgroups_of(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(joined) << joined.error().message;
  EXPECT_EQ(join_cgroups_of(child).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace stasis
