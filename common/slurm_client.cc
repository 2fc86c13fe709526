// SPDX-License-Identifier: Apache-2.0
#include "common/slurm_client.h"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/subprocess.h"

namespace stasis {
namespace {

template <class Int>
std::optional<Int> to_number(const std::string& text) {
  Int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string value_of(const std::map<std::string, std::string>& fields, const char* key) {
  const auto found = fields.find(key);
  if (found == fields.end() || found->second == "(null)" || found->second == "None") return {};
  return found->second;
}

// Times come as seconds since the epoch: SLURM_TIME_FORMAT says so. "Unknown", "N/A" and 0 are none.
std::optional<std::time_t> time_of(const std::map<std::string, std::string>& fields, const char* key) {
  const auto number = to_number<std::time_t>(value_of(fields, key));
  return number && *number > 0 ? number : std::nullopt;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// Where the " UserId=USER(UID) GroupId=" behind the job's name is; npos when it is not there, or twice: somebody's name
// or comment looks like it, and it cannot be told which is Slurm's.
std::size_t end_of_name(const std::string& line, std::size_t name) {
  std::size_t found = std::string::npos;
  for (auto at = line.find(" UserId=", name); at != std::string::npos; at = line.find(" UserId=", at + 1)) {
    const auto group = line.find(" GroupId=", at);
    if (group == std::string::npos) break;
    // Names of users can have blanks, where they come from a Windows domain.
    const auto user = at + std::string_view(" UserId=").size();
    if (line[group - 1] != ')' || line.find('=', user) < group) continue;
    if (found != std::string::npos) return std::string::npos;
    found = at;
  }
  return found;
}

// Of `scontrol -o show job ID`: a line per record. Asked for the first id of an array it shows every record of the
// array, and there may be none any more with that very id. A name can hold a line break, so a record ends where the
// next one begins.
std::string record_of(const std::string& text, JobId job) {
  const std::string begin = "JobId=" + std::to_string(job) + " ";
  auto at = text.compare(0, begin.size(), begin) == 0 ? 0 : text.find("\n" + begin);
  if (at == std::string::npos) return {};
  if (at > 0) ++at;
  return text.substr(at, text.find("\nJobId=", at) - at);
}

// slurmctld is away, being started, or has too much to do: the same request will work later.
bool is_away(const std::string& said) {
  for (const char* words : {"Unable to contact slurm controller", "Socket timed out on send/recv",
                            "Zero Bytes were transmitted", "in standby mode", "Communication connection failure"}) {
    if (said.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool JobInfo::over() const {
  for (const char* one : {"FAILED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "DEADLINE",
                          "CANCELLED", "COMPLETED"}) {
    if (state == one) return true;
  }
  return false;
}

std::map<std::string, std::string> parse_scontrol_line(const std::string& line) {
  std::map<std::string, std::string> fields;
  std::string* last = nullptr;
  for (std::size_t at = 0; at < line.size();) {
    auto end = line.find_first_of(" \n", at);
    if (end == std::string::npos) end = line.size();
    const std::string word = line.substr(at, end - at);
    at = end + 1;
    const auto equals = word.find('=');
    if (word.empty()) continue;
    if (equals == std::string::npos || equals == 0) {
      if (last != nullptr) *last += " " + word;
      continue;
    }
    // The first one counts: what a user puts into a comment cannot hide a field that stands before it.
    const auto [place, fresh] = fields.emplace(word.substr(0, equals), word.substr(equals + 1));
    last = fresh ? &place->second : nullptr;
  }
  return fields;
}

Result<std::map<std::string, std::string>> parse_job_fields(const std::string& line) {
  // The name is the user's text and stands near the front: fields that matter must not be found inside of it. Slurm
  // prints JobId= first and UserId= right after the name.
  const auto name = line.find(" JobName=");
  const auto user = name == std::string::npos ? name : end_of_name(line, name);
  if (user == std::string::npos) {
    return fail(ErrorKind::corrupt, "cannot tell where the job's name ends: '" + trimmed(line) + "'");
  }
  auto fields = parse_scontrol_line(line.substr(0, name) + line.substr(user));
  const auto begin = name + std::string_view(" JobName=").size();
  fields["JobName"] = begin < user ? line.substr(begin, user - begin) : "";
  return fields;
}

Result<JobInfo> parse_job(const std::string& line) {
  STASIS_LET(const auto fields, parse_job_fields(line));
  return job_of(fields);
}

Result<JobInfo> job_of(const std::map<std::string, std::string>& fields) {
  JobInfo info;
  const auto id = to_number<JobId>(value_of(fields, "JobId"));
  info.state = value_of(fields, "JobState");
  if (!id || info.state.empty()) return fail(ErrorKind::corrupt, "scontrol shows no job");
  info.id = *id;
  info.ref = *id;
  const auto array = to_number<JobId>(value_of(fields, "ArrayJobId"));
  const auto task = to_number<std::uint32_t>(value_of(fields, "ArrayTaskId"));
  if (array && task) info.ref = JobRef(*id, *array, *task);
  // "alice(1001)"
  const std::string owner = value_of(fields, "UserId");
  if (const auto open = owner.rfind('('); open != std::string::npos && owner.ends_with(')')) {
    info.user = owner.substr(0, open);
    info.uid = to_number<std::uint32_t>(owner.substr(open + 1, owner.size() - open - 2));
  }
  info.reason = value_of(fields, "Reason");
  info.partition = value_of(fields, "Partition");
  info.nodes = value_of(fields, "NodeList");
  info.excluded_nodes = value_of(fields, "ExcNodeList");
  info.required_nodes = value_of(fields, "ReqNodeList");
  info.restarts = to_number<std::uint32_t>(value_of(fields, "Restarts")).value_or(0);
  // The reason tells it in many ways, some with a text of Slurm's behind them.
  info.held = info.pending() && value_of(fields, "Priority") == "0";
  info.requeue = value_of(fields, "Requeue") == "1";
  info.submit = time_of(fields, "SubmitTime");
  info.start = time_of(fields, "StartTime");
  info.end = time_of(fields, "EndTime");
  info.preempt = time_of(fields, "PreemptTime");
  info.command = value_of(fields, "Command");
  info.admin_comment = value_of(fields, "AdminComment");
  return info;
}

Result<std::string> Scontrol::call(std::vector<std::string> arguments, Deadline deadline) {
  return call(program_, std::move(arguments), deadline);
}

Result<std::string> Scontrol::call(const std::string& program, std::vector<std::string> arguments, Deadline deadline) {
  Command command;
  command.program = program;
  command.arguments = std::move(arguments);
  command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_TIME_FORMAT=%s", "LC_ALL=C"};
  if (const char* conf = std::getenv("SLURM_CONF")) command.environment.push_back(std::string("SLURM_CONF=") + conf);
  std::string shown = program.substr(program.rfind('/') + 1);
  for (const auto& word : command.arguments) shown += " " + word;
  auto ran = in_context(shown, run(command, deadline));
  // not_found is a job that Slurm does not know, and never a program that is not there.
  if (!ran)
    return fail(ran.error().kind == ErrorKind::timed_out ? ErrorKind::timed_out : ErrorKind::failed,
                ran.error().message);
  const Finished finished = *std::move(ran);
  if (finished.ok()) return finished.out;
  const std::string said = trimmed(finished.err.empty() ? finished.out : finished.err);
  const auto kind = said.find("Invalid job id") != std::string::npos ? ErrorKind::not_found
                    : is_away(said)                                  ? ErrorKind::busy
                                                                     : ErrorKind::failed;
  return fail(kind, shown + ": " + (said.empty() ? finished.how() : said));
}

Result<JobInfo> Scontrol::job(const JobRef& job, Deadline deadline) {
  STASIS_LET(const auto record, fields(job, deadline));
  return job_of(record);
}

Result<std::map<std::string, std::string>> Scontrol::fields(const JobRef& job, Deadline deadline) {
  // --local: else scontrol asks about a federation first, which is a second request.
  STASIS_LET(const std::string text, call({"--local", "-o", "show", "job", job.name}, deadline));
  const std::string record = record_of(text, job.id);
  if (record.empty()) return fail(ErrorKind::not_found, "scontrol shows no record of job " + job.name);
  return parse_job_fields(record);
}

Result<void> Scontrol::requeue(const JobRef& job, Deadline deadline) {
  auto done = call({"requeue", job.name}, deadline);
  if (done) return {};
  // Somebody was faster, an administrator or the scheduler: what was wanted is so.
  if (const auto now = this->job(job, deadline); now && now->pending()) return {};
  return fail(std::move(done).error());
}

Result<void> Scontrol::requeue_and_hold(const JobRef& job, Deadline deadline) {
  STASIS_TRY(call({"requeuehold", job.name}, deadline));
  return {};
}

Result<void> Scontrol::update(const JobRef& job, const std::vector<std::string>& fields, Deadline deadline) {
  std::vector<std::string> arguments{"update", "JobId=" + job.name};
  arguments.insert(arguments.end(), fields.begin(), fields.end());
  STASIS_TRY(call(std::move(arguments), deadline));
  return {};
}

Result<void> Scontrol::release(const JobRef& job, Deadline deadline) {
  STASIS_TRY(call({"release", job.name}, deadline));
  return {};
}

Result<void> Scontrol::hold(const JobRef& job, Deadline deadline) {
  STASIS_TRY(call({"uhold", job.name}, deadline));
  return {};
}

Result<PartitionInfo> Scontrol::partition(const std::string& name, Deadline deadline) {
  STASIS_LET(const std::string text, call({"-o", "show", "partition", name}, deadline));
  const auto fields = parse_scontrol_line(text);
  PartitionInfo info;
  info.grace = std::chrono::seconds(to_number<long>(value_of(fields, "GraceTime")).value_or(0));
  info.preempt_mode = value_of(fields, "PreemptMode");
  return info;
}

Result<std::vector<JobInfo>> Scontrol::held_back(Deadline deadline) {
  // squeue is installed where scontrol is.
  const std::string squeue = program_.substr(0, program_.rfind('/') + 1) + "squeue";
  STASIS_LET(
      const std::string text,
      call(squeue, {"--noheader", "--array", "--states=PENDING", "--Format=JobArrayID:32,Reason:64,admin_comment:1024"},
           deadline));
  std::vector<JobInfo> jobs;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.size() < 96) continue;
    JobInfo job;
    job.ref.name = trimmed(line.substr(0, 32));
    job.reason = trimmed(line.substr(32, 64));
    // Right after the requeue the scheduler has not given its reason yet.
    if (job.reason != "BeginTime" && job.reason != "None") continue;
    job.state = "PENDING";
    job.admin_comment = trimmed(line.substr(96));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<std::vector<std::string>> Scontrol::host_names(const std::string& list, Deadline deadline) {
  STASIS_LET(const std::string text, call({"show", "hostnames", list}, deadline));
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (end > at) names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

Result<std::map<std::string, std::string>> Scontrol::configuration(Deadline deadline) {
  STASIS_LET(const std::string text, call({"show", "config"}, deadline));
  std::map<std::string, std::string> values;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const auto begin = line.find_first_not_of(' ', equals + 1);
    values[trimmed(line.substr(0, equals))] = begin == std::string::npos ? "" : trimmed(line.substr(begin));
  }
  return values;
}

}  // namespace stasis
