// SPDX-License-Identifier: Apache-2.0
#include "daemon/origin.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/unique_fd.h"
#include "tests/unit/daemon/fake_slurm.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using Numbers = std::vector<std::uint32_t>;

class OriginOfAJob : public testing::Test {
 protected:
  OriginOfAJob() {
    run.facts.job = 900;
    run.facts.step = kBatchStep;
    run.facts.uid = ::getuid();
    run.key = {"test", ::getuid(), 900, 0};
    run.part = "batch";
    slurm.jobs = {fail(ErrorKind::not_found, "Invalid job id specified")};
  }

  JobKey publish(std::uint32_t number, const std::string& part = "batch", std::time_t first_start = 1795239061) {
    const TempDirectory images;
    images.write("pages", "something");
    const UniqueFd fd(::open(images.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Manifest manifest;
    manifest.job = {"test", ::getuid(), 812, first_start};
    manifest.part = part;
    manifest.number = number;
    const auto published = store.publish(fd.get(), manifest);
    EXPECT_TRUE(published) << published.error().message;
    return manifest.job;
  }
  void slurm_shows(const std::string& state, uid_t uid = ::getuid()) {
    JobInfo info;
    info.id = 812;
    info.uid = uid;
    info.state = state;
    slurm.jobs = {info};
  }
  Result<Origin> find(const std::string& from = "812") {
    run.facts.request.from = from;
    return find_origin(run, store, slurm);
  }
  Numbers numbers(const std::string& from = "812") {
    Numbers found;
    if (const auto origin = find(from)) {
      for (const auto& one : origin->generations) found.push_back(one.number);
    }
    return found;
  }
  std::string refusal(const std::string& from = "812") {
    const auto origin = find(from);
    return origin ? "" : origin.error().message;
  }
  ErrorKind kind() { return find().error().kind; }

  TempDirectory directory;
  CheckpointStore store{directory.path(), Keys::parse("k1 " + std::string(64, 'a') + "\n").value()};
  FakeSlurm slurm;
  stasis::Run run;
};

TEST_F(OriginOfAJob, IsTheNewestCheckpointOrTheNextOlderOne) {
  for (const std::uint32_t number : {1U, 2U, 3U}) publish(number);
  EXPECT_EQ(numbers(), (Numbers{3, 2, 1}));
}

TEST_F(OriginOfAJob, IsTheOneThatWasNamedAndNoOther) {
  const JobKey job = publish(1);
  for (const std::uint32_t number : {2U, 3U}) publish(number);
  EXPECT_EQ(numbers("812:2"), Numbers{2});
  ASSERT_TRUE(store.put_aside(job, "batch", 3));
  EXPECT_EQ(numbers("812:3"), Numbers{3});
  EXPECT_EQ(numbers(), (Numbers{2, 1})) << "set aside, it is not to be gone on from unless it is named";
  EXPECT_NE(refusal("812:9").find("no checkpoint 9 of a job 812 of this user"), std::string::npos);
}

TEST_F(OriginOfAJob, IsOfTheLastJobOfThatNumberThatHasAny) {
  publish(1);
  publish(7, "batch", 1795239999);
  publish(4, "0.0", 1795250000);
  EXPECT_EQ(find().value().key.first_start, 1795239999);
  EXPECT_EQ(numbers(), Numbers{7});
}

TEST_F(OriginOfAJob, IsAScript) {
  publish(4, "0.0");
  EXPECT_NE(refusal().find("no checkpoint of the script of a job 812"), std::string::npos);
}

TEST_F(OriginOfAJob, IsNeverAnotherUsers) {
  publish(1);
  run.facts.uid = ::getuid() + 1;
  EXPECT_NE(refusal().find("of this user"), std::string::npos);
}

TEST_F(OriginOfAJob, MustBeOver) {
  publish(1);
  for (const char* state : {"FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED", "COMPLETED", "PREEMPTED"}) {
    slurm_shows(state);
    EXPECT_EQ(numbers(), Numbers{1}) << state;
  }
  for (const char* state :
       {"PENDING", "RUNNING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "CONFIGURING", "SOMETHING"}) {
    slurm_shows(state);
    EXPECT_NE(refusal().find(std::string("job 812 is ") + state + ", and both would write"), std::string::npos);
    EXPECT_NE(kind(), ErrorKind::busy) << "it is not waited for";
  }
}

TEST_F(OriginOfAJob, IsWaitedForWhileSlurmClosesItsBooksOrIsAway) {
  publish(1);
  slurm_shows("COMPLETING");
  EXPECT_EQ(kind(), ErrorKind::busy);
  for (const ErrorKind away : {ErrorKind::busy, ErrorKind::timed_out}) {
    slurm.jobs = {fail(away, "slurmctld is away")};
    EXPECT_EQ(kind(), ErrorKind::busy);
  }
}

TEST_F(OriginOfAJob, IsForgottenBySlurmWhenItsNumberIsAnothers) {
  publish(1);
  slurm_shows("RUNNING", ::getuid() + 1);
  EXPECT_EQ(numbers(), Numbers{1});
}

TEST_F(OriginOfAJob, CannotBeThatOfAWholeArray) {
  publish(1);
  run.facts.array_job = 899;
  EXPECT_NE(refusal().find("tasks of an array"), std::string::npos);
}

}  // namespace
}  // namespace stasis
