// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "cli/terminal.h"
#include "cli/views.h"
#include "common/log.h"

namespace stasis {
namespace {

using State = Finding::State;

// Programs compare moments of different machines by seconds only.
constexpr std::time_t kClocksMayDiffer = 5;

// "4.1.1" or "6.12.0-amd64": the first two numbers; 0.0 when there are none.
std::pair<int, int> version_in(const std::string& text) {
  const auto begin = text.find_first_of("0123456789");
  if (begin == std::string::npos) return {0, 0};
  std::pair<int, int> version{0, 0};
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data() + begin, end, version.first);
  if (major.ptr < end && *major.ptr == '.') std::from_chars(major.ptr + 1, end, version.second);
  return version;
}

std::string value_of(const SlurmConf& slurm, const char* key) {
  const auto found = slurm.find(key);
  return found == slurm.end() ? "" : found->second;
}

int number_in(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Seconds that a last checkpoint may take here: of the tasks that run in that partition (nullptr: in any), or as long
// as the longest of all that were made if none runs there. 0: nobody knows.
double longest_last(const std::vector<Sample>& metrics, const std::string* partition) {
  double longest = 0;
  for (const auto& sample : metrics) {
    if (sample.name != "stasis_last_checkpoint_seconds") continue;
    const auto label = sample.labels.find("partition");
    if (partition != nullptr && (label == sample.labels.end() || label->second != *partition)) continue;
    longest = std::max(longest, sample.value);
  }
  const double made = value_of(metrics, "stasis_checkpoint_longest_seconds");
  return longest == 0 || partition == nullptr ? std::max(longest, made) : longest;
}

int whole_seconds(double seconds) { return static_cast<int>(seconds) + 1; }

Finding judge_proctrack(const std::string& type) {
  if (type == "proctrack/cgroup") return {"proctrack", State::ok, type, ""};
  if (type == "proctrack/linuxproc") {
    return {
        "proctrack", State::warn,
        "proctrack/linuxproc signals every process of a job at a requeue: some are gone before their last checkpoint",
        "ProctrackType=proctrack/cgroup in slurm.conf"};
  }
  return {"proctrack", State::bad, (type.empty() ? "not told" : type) + ": jobs cannot be followed",
          "ProctrackType=proctrack/cgroup in slurm.conf"};
}

}  // namespace

const char* to_string(Finding::State state) noexcept {
  switch (state) {
    case State::ok:
      return "ok";
    case State::warn:
      return "warn";
    case State::bad:
      break;
  }
  return "bad";
}

Finding judge_criu(const std::string& version, const std::string& kernel) {
  const auto have = version_in(version);
  if (have.first == 0) {
    return {"criu", State::bad, "criu cannot be started", "install criu, or set `criu` in stasis.yaml to where it is"};
  }
  // What each was seen to need: docs/admins.md.
  const bool new_kernel = version_in(kernel) >= std::pair(6, 16);
  const std::pair<int, int> need = new_kernel ? std::pair(4, 2) : std::pair(3, 17);
  const std::string text = fmt::format("criu {}.{}, kernel {}", have.first, have.second, kernel);
  if (have < need) {
    return {"criu", State::bad, fmt::format("{}: this kernel needs criu {}.{} or later", text, need.first, need.second),
            "install a newer criu"};
  }
  return {"criu", State::ok, text, ""};
}

Findings judge_slurm(const SlurmConf& slurm, const Config& config) {
  Findings findings;
  findings.push_back(judge_proctrack(value_of(slurm, "ProctrackType")));
  const bool requeue = value_of(slurm, "JobRequeue") == "1";
  findings.push_back(
      {"requeue", requeue ? State::ok : State::warn,
       requeue ? "JobRequeue=1" : "JobRequeue=0: only jobs whose submission went through the plugin may be requeued",
       requeue ? "" : "JobRequeue=1 in slurm.conf"});
  const bool delay_told = value_of(slurm, "SchedulerParameters").find("requeue_delay=") != std::string::npos;
  const bool at_once = config.defaults.requeue_begin_now || delay_told;
  findings.push_back(
      {"requeue delay", at_once ? State::ok : State::warn,
       at_once ? "requeued jobs are eligible at once" : "requeued jobs wait two minutes before they may start",
       at_once ? "" : "requeue_begin_now: true in stasis.yaml"});
  const std::string name = value_of(slurm, "ClusterName");
  if (!config.cluster.empty() && config.cluster != name) {
    findings.push_back(
        {"cluster", State::warn,
         "checkpoints are kept below '" + config.cluster + "', and Slurm calls the cluster '" + name + "'",
         "the same `cluster` in stasis.yaml on every node"});
  }
  return findings;
}

Finding judge_kill_wait(const SlurmConf& slurm, const std::vector<Sample>& metrics) {
  const std::string text = value_of(slurm, "KillWait");
  const double longest = longest_last(metrics, nullptr);
  if (longest == 0) {
    return {"kill wait", State::ok,
            fmt::format("KillWait={}; no checkpoint was made here yet to compare it with", text), ""};
  }
  const std::string compared = fmt::format("KillWait={}; a last checkpoint here may take {:.1f} s", text, longest);
  if (longest < number_in(text)) return {"kill wait", State::ok, compared, ""};
  return {"kill wait", State::warn, compared + ": one that begins with a `scontrol requeue` would be cut off",
          fmt::format("KillWait={} in slurm.conf", whole_seconds(longest))};
}

Finding judge_grace_times(const SlurmConf& slurm, const std::vector<SlurmConf>& partitions,
                          const std::vector<Sample>& metrics) {
  const std::string type = value_of(slurm, "PreemptType");
  if (type.empty() || type == "(null)" || type == "preempt/none") {
    return {"grace time", State::ok, "no job is preempted", ""};
  }
  const int kill_wait = number_in(value_of(slurm, "KillWait"));
  std::string enough;
  std::string short_ones;
  std::string fixes;
  for (const auto& partition : partitions) {
    const std::string mode = value_of(partition, "PreemptMode");
    if (mode != "REQUEUE" && mode != "CANCEL") continue;
    const std::string name = value_of(partition, "PartitionName");
    const int there_is = number_in(value_of(partition, "GraceTime")) + kill_wait;
    const double longest = longest_last(metrics, &name);
    const std::string said = fmt::format("{} {} s", name, there_is);
    if (longest < there_is) {
      enough += (enough.empty() ? "" : ", ") + said;
    } else {
      short_ones += (short_ones.empty() ? "" : ", ") + said + fmt::format(", and one may take {:.1f} s", longest);
      fixes +=
          (fixes.empty() ? "" : ", ") + fmt::format("GraceTime={} for {}", whole_seconds(longest) - kill_wait, name);
    }
  }
  if (!short_ones.empty()) {
    return {"grace time", State::warn, "a preemption leaves a last checkpoint too little time: " + short_ones,
            fixes + " in slurm.conf"};
  }
  if (enough.empty()) return {"grace time", State::ok, "no partition's jobs are preempted", ""};
  return {"grace time", State::ok, "a preemption leaves a last checkpoint: " + enough, ""};
}

Finding judge_clock(std::time_t here, std::time_t slurmctld) {
  const std::time_t apart = here > slurmctld ? here - slurmctld : slurmctld - here;
  if (apart <= kClocksMayDiffer) return {"clock", State::ok, "as slurmctld's, to a few seconds", ""};
  return {"clock", State::bad,
          fmt::format("{} s apart from slurmctld's: last checkpoints come at the wrong time", apart),
          "set the clocks by NTP, here and on the controller"};
}

Finding judge_plugstack(const std::map<std::string, std::string>& files, bool plugin_there) {
  for (const auto& [file, text] : files) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string kind;
      std::string plugin;
      words >> kind >> plugin;
      if ((kind != "optional" && kind != "required") || plugin.find("spank_stasis.so") == std::string::npos) continue;
      if (!plugin_there) {
        return {"plugstack", State::bad, file + " names " + plugin + ", which is not there",
                "install the plugin for this Slurm"};
      }
      return {"plugstack", kind == "required" ? State::warn : State::ok, file + " names " + plugin + ", " + kind,
              kind == "required" ? "`optional`: a required plugin that fails would drain the node" : ""};
    }
  }
  if (files.empty()) {
    return {"plugstack", State::bad, "there is no plugstack.conf here: jobs are not protected",
            "plugstack.conf with the line `include plugstack.conf.d/*.conf`"};
  }
  return {"plugstack", State::bad, files.begin()->first + " and what it includes do not name spank_stasis.so",
          "the line `include plugstack.conf.d/*.conf` in plugstack.conf"};
}

namespace {

void print(const Findings& findings) {
  const auto terminal = Terminal::of_stdout();
  for (const auto& one : findings) {
    const Ink ink = one.state == State::ok ? Ink::good : one.state == State::warn ? Ink::warning : Ink::bad;
    fmt::print("{}{}  {}: {}\n", terminal.ink(ink, to_string(one.state)),
               one.state == State::warn ? ""
               : one.state == State::ok ? "  "
                                        : " ",
               one.check, printable(one.text));
    if (!one.fix.empty()) fmt::print("      fix: {}\n", printable(one.fix));
  }
}

}  // namespace

Result<void> doctor(const Config& config, const View& view) {
  Findings findings;
  const auto add = [&findings](Findings more) {
    findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  std::vector<Sample> metrics;
  add({look_at_daemon(config, metrics)});
  add(look_at_programs(config));
  add(look_at_slurm(config, metrics));
  add(look_at_places(config));
  const auto bad = std::count_if(findings.begin(), findings.end(), [](const auto& f) { return f.state == State::bad; });
  if (view.json) {
    Json list = Json::array();
    for (const auto& one : findings) {
      list.push_back({{"check", one.check},
                      {"state", to_string(one.state)},
                      {"text", one.text},
                      {"fix", one.fix.empty() ? Json() : Json(one.fix)}});
    }
    print_json({{"healthy", bad == 0}, {"findings", list}}, {});
  } else {
    print(findings);
  }
  if (bad == 0) return {};
  return fail(ErrorKind::failed, fmt::format("doctor: {} of {} checks found something bad", bad, findings.size()));
}

}  // namespace stasis
