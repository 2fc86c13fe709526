// SPDX-License-Identifier: Apache-2.0
#include "cli/slurm_command.h"

#include <cstdlib>

#include "common/subprocess.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};
// A queue of 10,000 jobs has some 15 MB in our columns.
constexpr std::size_t kLongestAnswer = std::size_t{256} << 20;

}  // namespace

Result<std::string> run_slurm(const Config& config, const std::string& name, std::vector<std::string> arguments) {
  Command command;
  command.program = config.scontrol.substr(0, config.scontrol.rfind('/') + 1) + name;
  command.arguments = std::move(arguments);
  command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_TIME_FORMAT=%s", "LC_ALL=C"};
  if (const char* conf = std::getenv("SLURM_CONF")) command.environment.push_back(std::string("SLURM_CONF=") + conf);
  command.output_limit = kLongestAnswer;
  STASIS_LET(const Finished finished, in_context(name, run(command, Deadline::in(kSlurmAnswers))));
  if (finished.ok()) return finished.out;
  std::string said = finished.err.empty() ? finished.out : finished.err;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return fail(ErrorKind::failed, name + ": " + (said.empty() ? finished.how() : said));
}

}  // namespace stasis
