// SPDX-License-Identifier: Apache-2.0
// The part of the doctor that asks slurmctld, and reads what Slurm's programs read here.
#include <glob.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <sstream>
#include <string_view>

#include "cli/doctor.h"
#include "cli/slurm_command.h"
#include "common/read_file.h"
#include "common/slurm_client.h"

namespace stasis {
namespace {

constexpr char kPlugin[] = "/spank_stasis.so";

SlurmConf parse_conf(const std::string& text) {
  SlurmConf values;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const auto end = line.find_last_not_of(' ', equals - 1);
    const auto begin = line.find_first_not_of(' ', equals + 1);
    if (end == std::string::npos) continue;
    values[line.substr(0, end + 1)] = begin == std::string::npos ? "" : line.substr(begin);
  }
  return values;
}

// "Configuration data as of 1795246151": slurmctld's clock when it answered. 0: it was not told so.
std::time_t answered_at(const std::string& text) {
  constexpr std::string_view kBegin = "Configuration data as of ";
  if (!text.starts_with(kBegin)) return 0;
  std::time_t at = 0;
  const auto [end, error] = std::from_chars(text.data() + kBegin.size(), text.data() + text.size(), at);
  return error == std::errc() && end < text.data() + text.size() && *end == '\n' ? at : 0;
}

// The file and what it includes, which may be patterns, relative to its place.
void read_stack(const std::string& path, int depth, std::map<std::string, std::string>& files) {
  const auto text = read_file(path);
  if (!text || depth == 0 || !files.emplace(path, *text).second) return;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string verb;
    std::string pattern;
    words >> verb >> pattern;
    if (verb != "include" || pattern.empty()) continue;
    if (!pattern.starts_with('/')) pattern = path.substr(0, path.rfind('/') + 1) + pattern;
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) read_stack(found.gl_pathv[i], depth - 1, files);
    }
    ::globfree(&found);
  }
}

std::string value_of(const SlurmConf& slurm, const char* key) {
  const auto found = slurm.find(key);
  return found == slurm.end() || found->second == "(null)" ? "" : found->second;
}

// Anywhere in PluginDir, which is a list.
bool is_plugin_there(const SlurmConf& slurm) {
  std::istringstream directories(value_of(slurm, "PluginDir"));
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (::access((directory + kPlugin).c_str(), R_OK) == 0) return true;
  }
  return false;
}

Finding look_at_grace_times(const Config& config, const SlurmConf& slurm, const std::vector<Sample>& metrics) {
  const auto text = run_slurm(config, "scontrol", {"-o", "show", "partition"});
  if (!text) return {"grace time", Finding::State::warn, text.error().message, "slurmctld has to tell its partitions"};
  std::vector<SlurmConf> partitions;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) partitions.push_back(parse_scontrol_line(line));
  return judge_grace_times(slurm, partitions, metrics);
}

}  // namespace

Findings look_at_slurm(const Config& config, const std::vector<Sample>& metrics) {
  const auto text = run_slurm(config, "scontrol", {"show", "config"});
  const std::time_t now = std::time(nullptr);
  if (!text) {
    return {{"slurmctld", Finding::State::bad, text.error().message, "without an answer of slurmctld no job moves"}};
  }
  const SlurmConf slurm = parse_conf(*text);
  Findings findings{{"slurmctld", Finding::State::ok, "answers, cluster " + value_of(slurm, "ClusterName"), ""}};
  for (auto& finding : judge_slurm(slurm, config)) findings.push_back(std::move(finding));
  findings.push_back(judge_kill_wait(slurm, metrics));
  findings.push_back(look_at_grace_times(config, slurm, metrics));
  if (const auto at = answered_at(*text); at > 0) findings.push_back(judge_clock(now, at));
  std::string stack = value_of(slurm, "PlugStackConfig");
  if (stack.empty()) {
    const std::string conf = value_of(slurm, "SLURM_CONF");
    stack = conf.substr(0, conf.rfind('/') + 1) + "plugstack.conf";
  }
  std::map<std::string, std::string> files;
  read_stack(stack, 5, files);
  findings.push_back(judge_plugstack(files, is_plugin_there(slurm)));
  return findings;
}

}  // namespace stasis
