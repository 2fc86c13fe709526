// SPDX-License-Identifier: Apache-2.0
// fake_slurm.h - a slurmctld that answers what the test says and writes down what it was asked to do; and a clock that
// only passes when somebody waits.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/slurm_client.h"
#include "daemon/worker_clock.h"

namespace stasis {

class FakeSlurm final : public SlurmClient {
 public:
  std::deque<Result<JobInfo>> jobs;                   // one for each job(); the last one stays
  std::map<std::string, std::deque<Error>> failures;  // by verb: what its next calls fail with
  std::vector<std::string> calls;                     // but for job()
  int asked = 0;                                      // how often job() was called

  Result<JobInfo> job(const JobRef&, Deadline) override {
    ++asked;
    auto answer = jobs.front();
    if (jobs.size() > 1) jobs.pop_front();
    return answer;
  }
  Result<void> requeue(const JobRef& job, Deadline) override { return note("requeue", job); }
  Result<void> requeue_and_hold(const JobRef& job, Deadline) override { return note("requeue_and_hold", job); }
  Result<void> update(const JobRef& job, const std::vector<std::string>& fields, Deadline) override {
    std::string words;
    for (const auto& field : fields) words += " " + field;
    return note("update", job, words);
  }
  Result<void> release(const JobRef& job, Deadline) override { return note("release", job); }
  Result<PartitionInfo> partition(const std::string&, Deadline) override { return PartitionInfo{}; }
  Result<std::vector<JobInfo>> held_back(Deadline) override { return std::vector<JobInfo>(); }
  Result<std::vector<std::string>> host_names(const std::string&, Deadline) override {
    return std::vector<std::string>();
  }
  Result<std::map<std::string, std::string>> configuration(Deadline) override {
    return std::map<std::string, std::string>();
  }

 private:
  Result<void> note(const std::string& verb, const JobRef& job, const std::string& words = "") {
    calls.push_back(verb + " " + job.name + words);
    auto& next = failures[verb];
    if (next.empty()) return {};
    const Error error = next.front();
    next.pop_front();
    return fail(error);
  }
};

class FakeClock final : public WorkerClock {
 public:
  std::vector<std::chrono::milliseconds> pauses;

  std::chrono::steady_clock::time_point now() const override { return now_; }
  void pause(std::chrono::milliseconds wait) override {
    pauses.push_back(wait);
    now_ += wait;
  }
  std::chrono::steady_clock::duration passed() const { return now_ - std::chrono::steady_clock::time_point(); }

 private:
  std::chrono::steady_clock::time_point now_;
};

}  // namespace stasis
