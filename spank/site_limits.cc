// SPDX-License-Identifier: Apache-2.0
#include "spank/site_limits.h"

#include <cstdlib>
#include <string_view>

#include "common/paths.h"
#include "common/subprocess.h"

namespace stasis {
namespace {

// It reads one small file.
constexpr std::chrono::seconds kAnswers{3};

}  // namespace

std::string partition_of(const std::vector<std::string>& words) {
  const char* variable = std::getenv("SBATCH_PARTITION");
  std::string found = variable == nullptr ? "" : variable;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "-p" || word == "--partition") {
      if (i + 1 < words.size()) found = words[i + 1];
    } else if (word.starts_with("--partition=")) {
      found = word.substr(word.find('=') + 1);
    } else if (word.starts_with("-p") && word.size() > 2) {
      found = word.substr(2);
    }
  }
  return found.find(',') == std::string::npos ? found : "";
}

std::string site_complaint(const std::string& interval, const std::vector<std::string>& words) {
  Command command;
  command.program = kCliProgram;
  command.arguments = {"judge", "--every=" + interval};
  if (const std::string partition = partition_of(words); !partition.empty()) {
    command.arguments.push_back("--partition=" + partition);
  }
  command.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  const auto finished = run(command, Deadline::in(kAnswers));
  // Its own failures are words on stderr.
  if (!finished || finished->signal != 0 || finished->exit_code != 1) return {};
  return finished->out.substr(0, finished->out.find('\n'));
}

}  // namespace stasis
