// SPDX-License-Identifier: Apache-2.0
#include "cli/slurm_queue.h"

#include <charconv>
#include <string_view>

#include "cli/slurm_command.h"

namespace stasis {
namespace {

// Columns of fixed width, so that no text of a user's can be taken for another column; the last one has what is left.
struct Column {
  const char* name;
  std::size_t width;
};
constexpr Column kColumns[] = {{"JobID", 16},    {"JobArrayID", 40}, {"UserID", 12},
                               {"UserName", 64}, {"State", 24},      {"Reason", 64},
                               {"NodeList", 64}, {"StartTime", 24},  {"admin_comment", 1024}};

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

std::vector<QueuedJob> parse_queue(const std::string& text) {
  std::vector<QueuedJob> jobs;
  for (std::string_view line : lines_of(text)) {
    std::vector<std::string> fields;
    for (const auto& column : kColumns) {
      fields.push_back(trimmed(line.substr(0, column.width)));
      line.remove_prefix(std::min(line.size(), column.width));
    }
    QueuedJob job;
    const auto id = number_of<JobId>(fields[0]);
    const auto uid = number_of<uid_t>(fields[2]);
    if (!id || !uid) continue;
    job.id = *id;
    job.name = fields[1];
    job.uid = *uid;
    job.user = fields[3];
    job.state = fields[4];
    job.reason = fields[5];
    job.node = fields[6];
    job.start = number_of<std::time_t>(fields[7]).value_or(0);
    // Of a job that is pending it is when it may start.
    if (job.state == "PENDING") job.start = 0;
    job.admin_comment = fields[8];
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<std::vector<QueuedJob>> queued_jobs(const Config& config, std::optional<uid_t> user) {
  std::string format = "--Format=";
  for (const auto& column : kColumns) {
    format += std::string(&column == kColumns ? "" : ",") + column.name + ":" + std::to_string(column.width);
  }
  std::vector<std::string> arguments{"--noheader", "--array", format};
  if (user) arguments.push_back("--user=" + std::to_string(*user));
  STASIS_LET(const std::string text, run_slurm(config, "squeue", std::move(arguments)));
  return parse_queue(text);
}

std::vector<JobRun> parse_runs(const std::string& text, JobId job) {
  std::vector<JobRun> runs;
  for (std::string_view line : lines_of(text)) {
    std::vector<std::string> fields;
    while (true) {
      const auto bar = line.find('|');
      fields.emplace_back(line.substr(0, bar));
      if (bar == std::string_view::npos) break;
      line.remove_prefix(bar + 1);
    }
    if (fields.size() != 5 || number_of<JobId>(fields[0]) != job) continue;
    // "CANCELLED by 1001"
    JobRun run{fields[1].substr(0, fields[1].find(' ')), fields[2], number_of<std::time_t>(fields[3]).value_or(0),
               number_of<std::time_t>(fields[4]).value_or(0)};
    if (run.start > 0) runs.push_back(std::move(run));
  }
  return runs;
}

Result<std::vector<JobRun>> runs_of(const Config& config, JobId job) {
  STASIS_LET(const std::string text,
             run_slurm(config, "sacct",
                       {"--noheader", "--parsable2", "--duplicates", "--allocations", "--jobs=" + std::to_string(job),
                        "--format=JobIDRaw,State,NodeList,Start,End"}));
  return parse_runs(text, job);
}

}  // namespace stasis
