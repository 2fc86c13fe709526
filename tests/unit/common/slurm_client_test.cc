// SPDX-License-Identifier: Apache-2.0
#include "common/slurm_client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

// `SLURM_TIME_FORMAT=%s scontrol -o show job 2` of Slurm 24.11.
constexpr char kRunning[] =
    "JobId=2 JobName=a.sh UserId=alice(1001) GroupId=alice(1001) MCS_label=N/A Priority=1 Nice=0 Account=(null) "
    "QOS=normal "
    "JobState=RUNNING Reason=None Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 "
    "RunTime=00:00:01 TimeLimit=UNLIMITED TimeMin=N/A SubmitTime=1795239061 EligibleTime=1795239061 "
    "AccrueTime=1795239061 StartTime=1795239061 EndTime=Unknown Deadline=N/A PreemptEligibleTime=1795239061 "
    "PreemptTime=None SuspendTime=None SecsPreSuspend=0 LastSchedEval=1795239061 Scheduler=Main Partition=main "
    "AllocNode:Sid=ctl:0 ReqNodeList=n1 ExcNodeList=(null) NodeList=n1 BatchHost=n1 NumNodes=1 NumCPUs=1 NumTasks=1 "
    "CPUs/Task=1 ReqB:S:C:T=0:0:*:* Command=/home/alice/a.sh WorkDir=/home/alice StdErr=/home/alice/slurm-2.out "
    "StdIn=/dev/null StdOut=/home/alice/slurm-2.out\n";

std::string with(const std::string& old, const std::string& fresh, std::string line = kRunning) {
  const auto at = line.find(old);
  if (at == std::string::npos) throw std::logic_error("no '" + old + "'");
  return line.replace(at, old.size(), fresh);
}

std::string named(const std::string& name) { return with("JobName=a.sh", "JobName=" + name); }
std::string commented(const std::string& comment) { return with("StdErr=", "Comment=" + comment + " StdErr="); }

JobInfo parsed(const std::string& line) {
  const auto job = parse_job(line);
  if (!job) throw std::runtime_error(job.error().message);
  return *job;
}

TEST(ScontrolLine, IsKeysAndValues) {
  const auto fields = parse_scontrol_line("A=1 B=two words C= D=x=y,z  E=(null)\n");
  EXPECT_EQ(fields.at("A"), "1");
  EXPECT_EQ(fields.at("B"), "two words");
  EXPECT_EQ(fields.at("C"), "");
  EXPECT_EQ(fields.at("D"), "x=y,z");
  EXPECT_EQ(fields.at("E"), "(null)");
  EXPECT_EQ(fields.size(), 5U);
  EXPECT_TRUE(parse_scontrol_line("").empty());
  EXPECT_TRUE(parse_scontrol_line("slurm_load_jobs error").empty());
}

TEST(ScontrolLine, KeepsTheFirstOfTwoFieldsAndIsNotConfusedByTheSecond) {
  const auto fields = parse_scontrol_line("A=1 B=2 A=3 and more B=4");
  EXPECT_EQ(fields.at("A"), "1");
  EXPECT_EQ(fields.at("B"), "2");
}

TEST(JobInfo, OfARunningJobIsReadFromScontrol) {
  const JobInfo job = parsed(kRunning);
  EXPECT_EQ(job.id, 2U);
  EXPECT_EQ(job.state, "RUNNING");
  EXPECT_TRUE(job.running());
  EXPECT_FALSE(job.pending());
  EXPECT_EQ(job.reason, "");
  EXPECT_EQ(job.partition, "main");
  EXPECT_EQ(job.nodes, "n1");
  EXPECT_EQ(job.required_nodes, "n1");
  EXPECT_EQ(job.excluded_nodes, "");
  EXPECT_EQ(job.restarts, 0U);
  EXPECT_TRUE(job.requeue);
  EXPECT_EQ(job.start, 1795239061);
  EXPECT_EQ(job.end, std::nullopt);
  EXPECT_EQ(job.preempt, std::nullopt);
  EXPECT_EQ(job.command, "/home/alice/a.sh");
}

TEST(JobInfo, TellsWhoseItIsAndWhetherItIsHeld) {
  EXPECT_EQ(parsed(kRunning).user, "alice");
  EXPECT_EQ(parsed(kRunning).uid, 1001U);
  EXPECT_EQ(parsed(kRunning).submit, 1795239061);
  EXPECT_EQ(parsed(with("UserId=alice(1001)", "UserId=CORP\\a b(77)")).uid, 77U);
  const std::string pending = with("JobState=RUNNING", "JobState=PENDING");
  EXPECT_FALSE(parsed(pending).held);
  EXPECT_TRUE(parsed(with("Priority=1", "Priority=0", pending)).held);
  EXPECT_FALSE(parsed(with("Priority=1", "Priority=0")).held) << "it runs";
}

TEST(JobInfo, HasTheTimesThatSlurmKnows) {
  EXPECT_EQ(parsed(with("EndTime=Unknown", "EndTime=1795242661")).end, 1795242661);
  EXPECT_EQ(parsed(with("PreemptTime=None", "PreemptTime=1795242000")).preempt, 1795242000);
  for (const char* none : {"Unknown", "N/A", "None", "0", "", "NONE", "2026-11-21T06:00:00", "-5"}) {
    EXPECT_EQ(parsed(with("StartTime=1795239061", std::string("StartTime=") + none)).start, std::nullopt) << none;
  }
}

TEST(JobInfo, HasTheStatesThatMatter) {
  const auto in_state = [](const std::string& state) { return parsed(with("RUNNING", state)); };
  EXPECT_TRUE(in_state("COMPLETING").completing());
  EXPECT_FALSE(in_state("COMPLETING").running());
  for (const char* state : {"PENDING", "REQUEUED", "REQUEUE_HOLD"}) EXPECT_TRUE(in_state(state).pending()) << state;
  for (const char* state : {"COMPLETED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "CONFIGURING"}) {
    EXPECT_FALSE(in_state(state).pending() || in_state(state).running() || in_state(state).completing()) << state;
  }
}

TEST(JobInfo, IsOverInStatesThatAreEndsOnly) {
  for (const char* state : {"FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "DEADLINE",
                            "CANCELLED", "COMPLETED"}) {
    JobInfo job;
    job.state = state;
    EXPECT_TRUE(job.over()) << state;
  }
  for (const char* state :
       {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "REQUEUED", "RESIZING", "NEW_IN_SLURM_30"}) {
    JobInfo job;
    job.state = state;
    EXPECT_FALSE(job.over()) << state;
  }
}

TEST(JobInfo, OfARequeuedJobTellsHowOftenAndWhy) {
  const JobInfo job = parsed(
      with("Restarts=0", "Restarts=17",
           with("JobState=RUNNING Reason=None", "JobState=PENDING Reason=BeginTime",
                with("ExcNodeList=(null)", "ExcNodeList=n[2-3],n7", with("NodeList=n1 Batch", "NodeList= Batch")))));
  EXPECT_TRUE(job.pending());
  EXPECT_EQ(job.restarts, 17U);
  EXPECT_EQ(job.reason, "BeginTime");
  EXPECT_EQ(job.excluded_nodes, "n[2-3],n7");
  EXPECT_EQ(job.nodes, "");
}

TEST(JobInfo, OfAnArrayTaskHasTheTasksOwnId) {
  const JobInfo job = parsed(with("JobId=2", "JobId=13 ArrayJobId=11 ArrayTaskId=2 ArrayTaskThrottle=2"));
  EXPECT_EQ(job.id, 13U);
  EXPECT_EQ(job.state, "RUNNING");
}

TEST(JobInfo, ReadsReasonsAndCommandsWithBlanks) {
  EXPECT_EQ(parsed(with("Reason=None", "Reason=launch failed requeued held")).reason, "launch failed requeued held");
  EXPECT_EQ(parsed(with("/home/alice/a.sh", "/home/alice/my job.sh 1 2")).command, "/home/alice/my job.sh 1 2");
}

TEST(JobInfo, IsReadWhateverUsersAndGroupsAreCalled) {
  EXPECT_EQ(parsed(with("UserId=alice(1001)", "UserId=DOM\\john doe(1001)")).state, "RUNNING");
  EXPECT_EQ(parsed(with("GroupId=alice(1001)", "GroupId=domain users(1001)")).state, "RUNNING");
}

class HostileText : public testing::TestWithParam<const char*> {};
// The name stands before the fields that matter, and it is any text the user likes. Whatever he makes of it, a field is
// Slurm's or the whole line is refused.
TEST_P(HostileText, AsAJobsNameChangesNoField) {
  const auto job = parse_job(named(GetParam()));
  if (!job) {
    EXPECT_EQ(job.error().kind, ErrorKind::corrupt);
    return;
  }
  EXPECT_EQ(job->state, "RUNNING");
  EXPECT_EQ(job->restarts, 0U);
  EXPECT_EQ(job->excluded_nodes, "");
}
TEST_P(HostileText, AsAJobsCommentChangesNoField) {
  const auto job = parse_job(commented(GetParam()));
  if (!job) {
    EXPECT_EQ(job.error().kind, ErrorKind::corrupt);
    return;
  }
  EXPECT_EQ(job->state, "RUNNING");
  EXPECT_EQ(job->restarts, 0U);
  EXPECT_EQ(job->excluded_nodes, "");
}
INSTANTIATE_TEST_SUITE_P(JobInfo, HostileText,
                         testing::Values("", "x JobState=COMPLETED", "JobState=COMPLETED Restarts=9 ExcNodeList=n9",
                                         "x UserId=root JobState=COMPLETED y", "x UserId=root(0) JobState=COMPLETED",
                                         "x UserId=root(0) GroupId=root(0) JobState=COMPLETED Restarts=9",
                                         "x\nJobState=COMPLETED", "x JobState=COMPLETED\ny",
                                         "x JobId=9 JobName=y JobState=COMPLETED", "x UserId=", "UserId", "=", "= =x",
                                         " GroupId=", "x GroupId=root(0) JobState=COMPLETED"));

TEST(JobInfo, WithANameThatOnlyMentionsFieldsIsStillRead) {
  EXPECT_TRUE(parse_job(named("x JobState=COMPLETED Restarts=9")));
  EXPECT_TRUE(parse_job(named("UserId=5 test")));
  EXPECT_TRUE(parse_job(commented("see UserId=5, JobState=COMPLETED")));
}

TEST(JobInfo, CutAtAnyLengthIsRefusedOrRightButNeverACrash) {
  const std::string line = kRunning;
  for (std::size_t length = 0; length < line.size(); ++length) {
    const auto job = parse_job(line.substr(0, length));
    if (job) {
      EXPECT_EQ(job->id, 2U);
    }
  }
  EXPECT_EQ(parse_job("").error().kind, ErrorKind::corrupt);
  EXPECT_EQ(parse_job("No jobs in the system\n").error().kind, ErrorKind::corrupt);
}

// A scontrol that writes down how it was called and does what the test says.
class ScontrolTest : public testing::Test {
 protected:
  explicit ScontrolTest() { says("exit 0"); }

  void says(const std::string& script) const { program("scontrol", script); }
  void program(const std::string& name, const std::string& script) const {
    const std::string path =
        directory.write(name, "#!/bin/sh\necho \"$@\" >>" + (directory / "calls") + "\n" + script + "\n");
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  }
  // Shows the text for any "show job", and fails everything else with the other one.
  void shows(const std::string& text, const std::string& refusal = "") const {
    directory.write("shown", text);
    says("case \"$*\" in *show\\ job*) cat " + (directory / "shown") + ";; *) echo '" + refusal +
         "' >&2; exit 1;; esac");
  }
  std::string calls() const { return directory.read("calls"); }

  TempDirectory directory;
  Scontrol slurm{directory / "scontrol"};
  const Deadline deadline = Deadline::in(30s);
};

TEST_F(ScontrolTest, AsksForOneJobWithTimesAsNumbers) {
  says("[ \"$SLURM_TIME_FORMAT\" = %s ] && [ \"$LC_ALL\" = C ] && cat " + (directory / "shown"));
  directory.write("shown", kRunning);
  const auto job = slurm.job(2, deadline);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->state, "RUNNING");
  EXPECT_EQ(calls(), "--local -o show job 2\n");
}

TEST_F(ScontrolTest, SaysThatSlurmDoesNotKnowTheJobAnyMore) {
  says("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
  const auto job = slurm.job(2, deadline);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error(), (Error{ErrorKind::not_found,
                                "scontrol --local -o show job 2: slurm_load_jobs error: Invalid job id specified"}));
}

TEST_F(ScontrolTest, TellsASlurmctldThatIsAwayFromOneThatRefuses) {
  for (const char* away : {"slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
                           "slurm_load_jobs error: Socket timed out on send/recv operation"}) {
    says(std::string("echo '") + away + "' >&2; exit 1");
    EXPECT_EQ(slurm.job(2, deadline).error().kind, ErrorKind::busy) << away;
    EXPECT_EQ(slurm.update(2, {"StartTime=now"}, deadline).error().kind, ErrorKind::busy) << away;
  }
  says("echo 'Access/permission denied' >&2; exit 1");
  EXPECT_EQ(slurm.update(2, {"StartTime=now"}, deadline).error(),
            (Error{ErrorKind::failed, "scontrol update JobId=2 StartTime=now: Access/permission denied"}));
}

TEST_F(ScontrolTest, NamesTheExitCodeOfAScontrolThatSaysNothing) {
  says("exit 3");
  EXPECT_EQ(slurm.release(2, deadline).error(), (Error{ErrorKind::failed, "scontrol release 2: exit 3"}));
  says("kill -SEGV $$");
  EXPECT_EQ(slurm.release(2, deadline).error().message, "scontrol release 2: killed by SIGSEGV");
}

// A scontrol that was missing for the moment of an upgrade once looked like a job that Slurm has forgotten, and the
// checkpoints of that job were removed.
TEST_F(ScontrolTest, ThatIsNotInstalledIsNoJobThatIsNotThere) {
  Scontrol missing("/nowhere/scontrol");
  const auto job = missing.job(2, deadline);
  ASSERT_FALSE(job);
  EXPECT_NE(job.error().kind, ErrorKind::not_found) << job.error().message;
}

TEST_F(ScontrolTest, IsGivenUpAtTheDeadline) {
  says("sleep 60");
  const auto job = slurm.job(2, Deadline::in(200ms));
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().kind, ErrorKind::timed_out);
}

TEST_F(ScontrolTest, PicksTheJobOutOfItsArray) {
  const std::string master = with("JobId=2", "JobId=11 ArrayJobId=11 ArrayTaskId=3-9%2", with("RUNNING", "PENDING"));
  const std::string first = with("JobId=2", "JobId=12 ArrayJobId=11 ArrayTaskId=1");
  shows(master + first);
  EXPECT_EQ(slurm.job(11, deadline)->state, "PENDING");
  shows(first + master);
  EXPECT_EQ(slurm.job(11, deadline)->state, "PENDING");
}

// The record that has the array's own id may be purged before the others: then scontrol still shows those.
TEST_F(ScontrolTest, TakesNoOtherArrayTaskForOneThatIsGone) {
  shows(with("JobId=2", "JobId=12 ArrayJobId=11 ArrayTaskId=1"));
  const auto job = slurm.job(11, deadline);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().kind, ErrorKind::not_found);
}

TEST_F(ScontrolTest, ReadsARecordBehindALineBreakInItsName) {
  shows(named("a\nb"));
  const auto job = slurm.job(2, deadline);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->state, "RUNNING");
}

TEST_F(ScontrolTest, RequeuesAndHoldsAndReleasesAndUpdates) {
  EXPECT_TRUE(slurm.requeue(2, deadline));
  EXPECT_TRUE(slurm.requeue_and_hold(2, deadline));
  EXPECT_TRUE(slurm.release(2, deadline));
  EXPECT_TRUE(slurm.update(2, {"ExcNodeList=n1", "Comment=two words"}, deadline));
  EXPECT_EQ(calls(), "requeue 2\nrequeuehold 2\nrelease 2\nupdate JobId=2 ExcNodeList=n1 Comment=two words\n");
}

TEST_F(ScontrolTest, TakesARequeueOfAJobThatIsPendingForDone) {
  shows(with("RUNNING", "PENDING"), "Job is pending execution for job 2");
  EXPECT_TRUE(slurm.requeue(2, deadline));
}

TEST_F(ScontrolTest, SaysWhyAJobIsNotRequeued) {
  shows(with("RUNNING", "COMPLETED"), "Requested operation is presently disabled for job 2");
  const auto done = slurm.requeue(2, deadline);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "scontrol requeue 2: Requested operation is presently disabled for job 2");
}

TEST_F(ScontrolTest, KnowsWhatAPartitionGivesToPreemptedJobs) {
  says("echo 'PartitionName=preempt AllowGroups=ALL Default=NO GraceTime=60 Hidden=NO PreemptMode=REQUEUE State=UP'");
  const auto partition = slurm.partition("preempt", deadline);
  ASSERT_TRUE(partition) << partition.error().message;
  EXPECT_EQ(partition->grace, 60s);
  EXPECT_EQ(partition->preempt_mode, "REQUEUE");
  EXPECT_EQ(calls(), "-o show partition preempt\n");
}

TEST_F(ScontrolTest, ReadsSlurmctldsConfiguration) {
  says(
      "printf 'Configuration data as of 1795239061\\nClusterName             = test\\nKillWait                = 30 "
      "sec\\n"
      "PrologFlags             = Alloc,Contain\\nSlurmctldParameters     = \\n\\nCgroup Support Configuration:\\n'");
  const auto values = slurm.configuration(deadline);
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(values->at("ClusterName"), "test");
  EXPECT_EQ(values->at("KillWait"), "30 sec");
  EXPECT_EQ(values->at("SlurmctldParameters"), "");
}

TEST_F(ScontrolTest, ExpandsNodeLists) {
  says("printf 'n1\\nn2\\nn7\\n'");
  EXPECT_EQ(slurm.host_names("n[1-2],n7", deadline).value(), (Strings{"n1", "n2", "n7"}));
  EXPECT_EQ(calls(), "show hostnames n[1-2],n7\n");
}

TEST_F(ScontrolTest, FindsJobsThatWaitForTheirBeginTimeOnly) {
  const auto column = [](std::string text, std::size_t width) {
    text.resize(width, ' ');
    return text;
  };
  const auto line = [&](const std::string& id, const std::string& reason, const std::string& comment) {
    return column(id, 32) + column(reason, 64) + column(comment, 1024) + "\n";
  };
  directory.write("queue", line("2", "BeginTime", "stasis: checkpoint 3") + line("3", "Resources", "") +
                               line("46_4", "None", "(null)") + "short\n" + line("5", "JobHeldUser", "BeginTime"));
  program("squeue", "cat " + (directory / "queue"));
  const auto jobs = slurm.held_back(deadline);
  ASSERT_TRUE(jobs) << jobs.error().message;
  ASSERT_EQ(jobs->size(), 2U);
  EXPECT_EQ(jobs->at(0).ref.name, "2");
  EXPECT_EQ(jobs->at(0).admin_comment, "stasis: checkpoint 3");
  // Its own number would be that of the whole array.
  EXPECT_EQ(jobs->at(1).ref.name, "46_4");
}

TEST_F(ScontrolTest, GetsNoneOfOurEnvironmentButWhereSlurmsConfigurationIs) {
  says("env | grep -c STASIS_SECRET; env | grep SLURM_CONF; exit 1");
  ASSERT_EQ(::setenv("STASIS_SECRET", "x", 1), 0);
  ASSERT_EQ(::setenv("SLURM_CONF", "/etc/other/slurm.conf", 1), 0);
  const auto done = slurm.release(2, deadline);
  ::unsetenv("STASIS_SECRET");
  ::unsetenv("SLURM_CONF");
  EXPECT_EQ(done.error().message, "scontrol release 2: 0\nSLURM_CONF=/etc/other/slurm.conf");
}

}  // namespace
}  // namespace stasis
