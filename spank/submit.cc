// SPDX-License-Identifier: Apache-2.0
#include "spank/submit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/protocol.h"
#include "common/read_file.h"
#include "common/time_spec.h"
#include "common/unique_fd.h"
#include "spank/options.h"
#include "spank/script_peek.h"
#include "spank/site_limits.h"
#include "spank/site_script.h"

namespace stasis {
namespace {

// A script is read as far as sbatch itself would look for #SBATCH lines and a bit more.
constexpr std::size_t kScriptLimit = 4 << 20;
// `generate | sbatch`: sbatch itself would wait for ever.
constexpr std::chrono::seconds kScriptComes{5};

constexpr const char* kOptions[] = {"checkpoint-every", "requeue-on-ckpt", "checkpoint-method", "checkpoint-dir",
                                    "checkpoint-keep",  "checkpoint-with", "restore-failure",   "checkpoint-from"};

// Variables that this process did not have when it started.
std::vector<std::string>& borrowed() {
  static std::vector<std::string> names;
  return names;
}

void lend(const std::string& name, const char* value) {
  if (std::getenv(name.c_str()) != nullptr) return;
  ::setenv(name.c_str(), value, 1);
  borrowed().push_back(name);
}

// "SBATCH_", "SRUN_" or "SALLOC_", by the name this program was called with.
std::string program_prefix(const std::vector<std::string>& words) {
  const std::string_view called = words.empty() ? std::string_view() : std::string_view(words[0]);
  const auto name = called.substr(called.rfind('/') + 1);
  if (name == "srun") return "SRUN_";
  if (name == "salloc") return "SALLOC_";
  return "SBATCH_";
}

std::string variable_form(const std::string& prefix, const char* option) {
  std::string name = prefix;
  for (const char* at = option; *at != '\0'; ++at) {
    name += *at == '-' ? '_' : static_cast<char>(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
  }
  return name;
}

bool is_off(const char* flag) { return std::strcmp(flag, "no") == 0 || std::strcmp(flag, "0") == 0; }

// Why an interval is none, or empty.
std::string fault_of(const std::string& interval) {
  const auto spec = parse_time_spec(interval);
  return spec ? "" : spec.error().message;
}

bool is_step_of_a_job(const std::vector<std::string>& words) {
  return program_prefix(words) == "SRUN_" && std::getenv("SLURM_JOB_ID") != nullptr;
}

// SLURM_CHECKPOINT. In a script it was meant for the site's tool, perhaps: what is no time does not end its sruns, and
// the daemon says so where the step starts.
const char* interval_of_the_environment(const std::vector<std::string>& words) {
  const char* value = std::getenv("SLURM_CHECKPOINT");
  return value != nullptr && is_step_of_a_job(words) && !fault_of(value).empty() ? nullptr : value;
}

void translate_environment(const std::vector<std::string>& words) {
  const std::string prefix = program_prefix(words);
  for (const char* option : kOptions) {
    const char* value = std::getenv(variable_form(prefix, option).c_str());
    if (value == nullptr && std::strcmp(option, "checkpoint-every") == 0) value = interval_of_the_environment(words);
    if (value == nullptr) continue;
    // A flag that is said to be off is one that is not given.
    if (std::strcmp(option, "requeue-on-ckpt") == 0 && is_off(value)) continue;
    if (std::strcmp(option, "checkpoint-from") == 0 && prefix != "SBATCH_") continue;
    lend(option_variable(option), value);
  }
}

// The number of the job that this process runs in, if that goes on from another; else empty: whoever sets the variable
// knows why.
std::string number_of_this_job() {
  constexpr std::string_view kLine = "export SLURM_JOB_ID='";
  const std::string variables = read_file(kCapsuleVariables).value_or("");
  const bool goes_on = ("\n" + variables).find("\n" + std::string(kOriginVariable) + "=") != std::string::npos;
  const auto at = variables.find(kLine);
  if (!goes_on || at == std::string::npos) return {};
  const auto begin = at + kLine.size();
  const std::string number = variables.substr(begin, variables.find('\'', begin) - begin);
  return number.find_first_not_of("0123456789") == std::string::npos ? number : "";
}

// A script that goes on as another job has the old one's number in its environment, and its steps are the new one's.
void correct_job_number(const std::vector<std::string>& words) {
  if (!is_step_of_a_job(words)) return;
  const std::string number = number_of_this_job();
  if (number.empty()) return;
  for (const char* name : {"SLURM_JOB_ID", "SLURM_JOBID"}) {
    if (std::getenv(name) != nullptr) ::setenv(name, number.c_str(), 1);
  }
}

// Does sbatch read its script from stdin?
bool script_comes_by_stdin(const std::vector<std::string>& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    struct stat status {};
    if (words[i].starts_with("--wrap")) return false;
    if (::stat(words[i].c_str(), &status) == 0 && S_ISREG(status.st_mode)) return false;
  }
  return true;
}

// Everything that may be the script: each file on the command line, and stdin. nullopt: it cannot be looked at.
std::optional<std::vector<std::string>> possible_scripts(const std::vector<std::string>& words) {
  std::vector<std::string> texts;
  // The last one is `sbatch <script`.
  for (std::size_t i = 1; i <= words.size(); ++i) {
    const std::string path = i < words.size() ? words[i] : "/proc/self/fd/0";
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (auto text = read_file(path, kScriptLimit)) texts.push_back(std::move(*text));
  }
  struct stat in {};
  if (::fstat(0, &in) != 0 || S_ISREG(in.st_mode) || S_ISCHR(in.st_mode) || !script_comes_by_stdin(words)) return texts;
  auto piped = peek_script(0, kScriptComes);
  if (!piped) return std::nullopt;
  texts.push_back(std::move(*piped));
  return texts;
}

// Does any #SBATCH line name this option?
bool script_says(const std::vector<std::string>& scripts, std::string_view option) {
  for (const auto& text : scripts) {
    if (!text.starts_with("#!")) continue;
    for (std::size_t at = 0; (at = text.find("\n#SBATCH", at)) != std::string::npos;) {
      const auto end = text.find('\n', ++at);
      if (std::string_view(text).substr(at, end - at).find(option) != std::string_view::npos) return true;
    }
  }
  return false;
}

// What the command line gives for an option, the last one if there are several; nullopt: nothing. Options may be
// shortened as long as they are not ambiguous.
std::optional<std::string> command_line_value(const std::vector<std::string>& words, std::string_view whole,
                                              std::string_view shortest) {
  std::optional<std::string> found;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const std::string_view name = std::string_view(words[i]).substr(0, equals);
    if (!name.starts_with(shortest) || !whole.starts_with(name)) continue;
    if (equals != std::string::npos) {
      found = words[i].substr(equals + 1);
    } else {
      found = i + 1 < words.size() ? words[i + 1] : "";
    }
  }
  return found;
}

std::optional<std::string> command_line_interval(const std::vector<std::string>& words) {
  return command_line_value(words, "--checkpoint-every", "--checkpoint-e");
}

bool has_shebang(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char begin[2];
  return file && ::read(file.get(), begin, sizeof begin) == 2 && begin[0] == '#' && begin[1] == '!';
}

// The first file on the command line that can be a batch script, or else what stdin is redirected to. Nothing is waited
// for here, where most jobs want nothing of us: a script that comes through a pipe is not looked at.
std::optional<std::string> plain_script(const std::vector<std::string>& words) {
  for (std::size_t i = 1; i <= words.size(); ++i) {
    const std::string path = i < words.size() ? words[i] : "/proc/self/fd/0";
    if (!has_shebang(path)) continue;
    if (auto text = read_file(path, kScriptLimit)) return std::move(*text);
    return std::nullopt;
  }
  return std::nullopt;
}

bool& by_site_script() {
  static bool value = false;
  return value;
}

// A script written for a site's `checkpointer` has an interval of its own and means: dump, end, requeue. Whoever says
// --checkpoint-every in whatever way knows us and means what he says. Nothing here keeps a job from being submitted.
void translate_script(const std::vector<std::string>& words) {
  if (program_prefix(words) != "SBATCH_" || command_line_interval(words)) return;
  if (std::getenv(option_variable("checkpoint-every").c_str()) != nullptr) return;
  const auto script = plain_script(words);
  if (!script || script_says({*script}, "--checkpoint-e")) return;
  const auto interval = checkpointer_interval(*script);
  if (!interval) return;
  if (const std::string fault = fault_of(*interval); !fault.empty()) {
    slurm_spank_log("stasis: warning: SLURM_CHECKPOINT in the script is ignored, checkpointer does nothing: %s",
                    fault.c_str());
    return;
  }
  by_site_script() = true;
  lend(option_variable("checkpoint-every"), interval->c_str());
  if (*interval == "off") return;
  if (const std::string limit = site_complaint(*interval, words); !limit.empty()) {
    slurm_spank_log("stasis: warning: SLURM_CHECKPOINT in the script: %s; the nearest time it allows is taken",
                    limit.c_str());
  }
  const char* flag = std::getenv("SBATCH_REQUEUE_ON_CKPT");
  if (flag == nullptr || !is_off(flag)) lend(option_variable("requeue-on-ckpt"), "yes");
}

}  // namespace

std::vector<std::string> command_line() {
  std::vector<std::string> words;
  const std::string text = read_file("/proc/self/cmdline").value_or("");
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\0', at);
    words.push_back(text.substr(at, end - at));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return words;
}

void before_options() {
  const auto words = command_line();
  correct_job_number(words);
  translate_environment(words);
  translate_script(words);
  // An option on the command line is read too late for the variables to count: look for it now.
  const char* interval = std::getenv(option_variable("checkpoint-every").c_str());
  // A partition may protect jobs by itself, and by signal: their scripts start again, with what they have written so
  // far.
  const bool method = command_line_value(words, "--checkpoint-method", "--checkpoint-m").has_value() ||
                      std::getenv(option_variable("checkpoint-method").c_str()) != nullptr;
  const bool off = interval != nullptr && std::strcmp(interval, "off") == 0;
  const bool goes_on = says_where_to_go_on() || std::getenv(option_variable("checkpoint-from").c_str()) != nullptr;
  if (command_line_interval(words).has_value() || (interval != nullptr && !off) || (method && !off) || goes_on) {
    ask_for_append_and_requeue();
  }
}

bool submits_scripts() { return program_prefix(command_line()) == "SBATCH_"; }

bool says_where_to_go_on() {
  return command_line_value(command_line(), "--checkpoint-from", "--checkpoint-f").has_value();
}

bool limits_refuse() { return !by_site_script() && !is_step_of_a_job(command_line()); }

void ask_for_append_and_requeue() {
  const auto words = command_line();
  // Without append mode nothing is lost: the job's output is put back when it is restored.
  if (program_prefix(words) != "SBATCH_") return;
  // It counts more than whatever the environment and the script say.
  if (command_line_interval(words) == "off") return;
  const auto scripts = possible_scripts(words);
  if (!scripts) return;
  if (!script_says(*scripts, "--open-mode")) lend("SBATCH_OPEN_MODE", "append");
  if (std::getenv("SBATCH_NO_REQUEUE") == nullptr && !script_says(*scripts, "--no-requeue")) {
    // Empty: "1" is refused by Slurm 26.05.
    lend("SBATCH_REQUEUE", "");
  }
}

int after_options() {
  for (const auto& name : borrowed()) ::unsetenv(name.c_str());
  borrowed().clear();
  return ESPANK_SUCCESS;
}

}  // namespace stasis
