// SPDX-License-Identifier: Apache-2.0
#include "cli/new_job.h"

#include <gtest/gtest.h>

#include "common/slurm_client.h"

namespace stasis {
namespace {

using Words = std::vector<std::string>;

// As Slurm 22.05 shows one.
constexpr char kRecord[] =
    "JobId=812 JobName=my job UserId=alice(1001) GroupId=alice(1001) MCS_label=N/A Priority=1 Nice=0 Account=physics "
    "QOS=normal JobState=TIMEOUT Reason=TimeLimit Dependency=(null) Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 "
    "ExitCode=0:15 RunTime=00:10:00 TimeLimit=1-00:10:00 TimeMin=N/A SubmitTime=1 Partition=long AllocNode:Sid=ctl:1 "
    "ReqNodeList=(null) ExcNodeList=n1 NodeList=n2 BatchHost=n2 NumNodes=1 NumCPUs=2 NumTasks=1 CPUs/Task=2 "
    "ReqB:S:C:T=0:0:*:* TRES=cpu=2,mem=500M,node=1,billing=2 MinCPUsNode=2 MinMemoryNode=500M MinTmpDiskNode=0 "
    "Features=(null) DelayBoot=00:00:00 Command=/home/alice/job.sh WorkDir=/home/alice/run 7 "
    "StdErr=/home/alice/100%.err StdIn=/dev/null StdOut=/home/alice/812.out Power=\n";

TEST(NewJob, IsWhatTheOldOneWas) {
  EXPECT_EQ(sbatch_options(parse_job_fields(kRecord).value()),
            (Words{"--job-name=my job", "--account=physics", "--qos=normal", "--partition=long", "--time=1-00:10:00",
                   "--nodes=1", "--ntasks=1", "--cpus-per-task=2", "--mem=500M", "--chdir=/home/alice/run 7",
                   "--output=/home/alice/812.out", "--error=/home/alice/100%%.err"}));
}

TEST(NewJob, IsNotToldWhatTheOldOneWasNot) {
  EXPECT_EQ(sbatch_options({{"JobName", "a"},
                            {"Account", "(null)"},
                            {"TimeLimit", "UNLIMITED"},
                            {"NumTasks", "N/A"},
                            {"MinMemoryNode", "0"},
                            {"StdOut", "/home/alice/a.out"},
                            {"StdErr", "/home/alice/a.out"}}),
            (Words{"--job-name=a", "--output=/home/alice/a.out"}));
}

}  // namespace
}  // namespace stasis
