// SPDX-License-Identifier: Apache-2.0
#include "cli/new_job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "cli/caller.h"
#include "cli/slurm_command.h"
#include "common/slurm_client.h"
#include "common/subprocess.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

std::string value_of(const std::map<std::string, std::string>& job, const char* field) {
  const auto found = job.find(field);
  return found == job.end() || found->second == "(null)" || found->second == "N/A" ? "" : found->second;
}

// What is no number, UNLIMITED say or Partition_Limit, and 0, was not asked for.
bool is_amount(const std::string& text) { return !text.empty() && text.front() >= '1' && text.front() <= '9'; }

// Whole already: sbatch shall find no patterns in it.
std::string as_pattern(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? "%%" : std::string(1, c);
  return text;
}

// sbatch reads a script from a file, and our children have no stdin.
class ScriptFile {
 public:
  static Result<ScriptFile> write(const std::string& text) {
    const char* const place = std::getenv("TMPDIR");
    std::string path = std::string(place != nullptr && *place == '/' ? place : "/tmp") + "/stasis-script-XXXXXX";
    const UniqueFd file(::mkstemp(path.data()));
    if (!file) return fail(errno_error("create " + path, errno));
    ScriptFile script(std::move(path));
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(file.get(), text.data() + at, text.size() - at);
      if (written < 0) return fail(errno_error("write " + script.path_, errno));
      at += static_cast<std::size_t>(written);
    }
    return script;
  }
  ScriptFile(ScriptFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScriptFile& operator=(ScriptFile&&) = delete;
  ~ScriptFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit ScriptFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// As if the caller had typed it.
Result<Finished> sbatch(const Config& config, std::vector<std::string> arguments) {
  Command command;
  command.program = config.scontrol.substr(0, config.scontrol.rfind('/') + 1) + "sbatch";
  command.arguments = std::move(arguments);
  for (char** variable = environ; *variable != nullptr; ++variable) command.environment.emplace_back(*variable);
  STASIS_LET(Finished finished, in_context("sbatch", run(command, Deadline::in(kSlurmAnswers))));
  if (finished.ok()) return finished;
  while (finished.err.ends_with('\n')) finished.err.pop_back();
  return fail(ErrorKind::failed, finished.err.empty() ? "sbatch: " + finished.how() : finished.err);
}

Result<JobId> job_in(const std::string& parsable) {
  JobId id = 0;
  const auto end = parsable.data() + std::min(parsable.find_first_of(";\n"), parsable.size());
  const auto [at, error] = std::from_chars(parsable.data(), end, id);
  if (error != std::errc() || at != end) return fail(ErrorKind::failed, "sbatch does not tell the new job's number");
  return id;
}

// Where there is no stasisd to be asked, as on a login node, that of the new job's node will see whether there is one.
Result<void> check_there_is_one(const Config& config, const CheckpointName& from) {
  const auto found = look_up(config, from, LookAt::names);
  if (!found && found.error().kind != ErrorKind::lost) return fail(found.error());
  if (found && found->empty()) return fail(ErrorKind::not_found, "no checkpoint of job " + from.text() + " is kept");
  return {};
}

}  // namespace

std::vector<std::string> sbatch_options(const std::map<std::string, std::string>& job) {
  std::vector<std::string> options;
  const auto say = [&options](const char* option, const std::string& value) {
    if (!value.empty()) options.push_back(std::string("--") + option + "=" + value);
  };
  const auto say_amount = [&](const char* option, const char* field) {
    if (const auto value = value_of(job, field); is_amount(value)) say(option, value);
  };
  say("job-name", value_of(job, "JobName"));
  say("account", value_of(job, "Account"));
  say("qos", value_of(job, "QOS"));
  say("partition", value_of(job, "Partition"));
  say("constraint", value_of(job, "Features"));
  if (const auto limit = value_of(job, "TimeLimit"); limit.find(':') != std::string::npos) say("time", limit);
  say_amount("nodes", "NumNodes");
  say_amount("ntasks", "NumTasks");
  say_amount("cpus-per-task", "CPUs/Task");
  say_amount("mem", "MinMemoryNode");
  say_amount("mem-per-cpu", "MinMemoryCPU");
  say("chdir", value_of(job, "WorkDir"));
  // What the program prints goes on behind what is there.
  const auto output = value_of(job, "StdOut");
  const auto errors = value_of(job, "StdErr");
  say("output", as_pattern(output));
  if (errors != output) say("error", as_pattern(errors));
  return options;
}

Result<void> submit_new_job(const Config& config, const CheckpointName& from, const std::vector<std::string>& more,
                            const View& view) {
  STASIS_TRY(check_there_is_one(config, from));
  Scontrol slurm(config.scontrol);
  const std::string number = std::to_string(from.job);
  const auto record = slurm.fields(JobRef(from.job), Deadline::in(kSlurmAnswers));
  if (!record && record.error().kind == ErrorKind::not_found) {
    return fail(ErrorKind::not_found,
                "Slurm has forgotten job " + number +
                    " and its script. Submit it again, wherever it is: sbatch --checkpoint-from=" + from.text() +
                    " SCRIPT");
  }
  if (!record) return fail(record.error());
  STASIS_LET(const JobInfo job, job_of(*record));
  if (job.uid != ::geteuid()) return fail(ErrorKind::denied, "job " + number + " is not yours");
  if (!job.over()) {
    return fail(ErrorKind::busy, "job " + number + " is " + job.state +
                                     ", and both would write the same files: without --new it goes on itself");
  }
  STASIS_LET(const std::string text, run_slurm(config, "scontrol", {"write", "batch_script", number, "-"}));
  STASIS_LET(const ScriptFile script, ScriptFile::write(text));
  std::vector<std::string> words = sbatch_options(*record);
  words.insert(words.begin(), "--parsable");
  words.insert(words.end(), more.begin(), more.end());
  words.push_back("--checkpoint-from=" + from.text());
  words.push_back(script.path());
  STASIS_LET(const Finished submitted, sbatch(config, std::move(words)));
  fmt::print(stderr, "{}", submitted.err);
  STASIS_LET(const JobId id, job_in(submitted.out));
  if (view.json) {
    print_json({{"job", id}, {"from", from.job}, {"checkpoint", from.number ? Json(*from.number) : Json()}}, {});
  } else {
    fmt::print("job {}: to go on from {} of job {}\n", id,
               from.number ? fmt::format("checkpoint {}", *from.number) : "the last checkpoint", from.job);
  }
  return {};
}

}  // namespace stasis
