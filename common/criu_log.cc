// SPDX-License-Identifier: Apache-2.0
#include "common/criu_log.h"

#include "common/criu_advice.h"
#include "common/read_file.h"

namespace stasis {
namespace {

// Complaints of criu's that stop nothing: a machine without tun devices, a file limit that cannot be raised further.
constexpr std::string_view kHarmless[] = {"tun: Unable to create tun", "rlimit: Can't setup RLIMIT_NOFILE for self"};

bool harmless(std::string_view text) {
  for (const auto known : kHarmless) {
    if (text.starts_with(known)) return true;
  }
  return false;
}

}  // namespace

std::string explain_criu_text(std::string_view log) {
  // "(00.012345) Error (criu/sk-inet.c:191): inet: ..."; the time and the place in the source are for its authors.
  std::string found;
  std::string_view advice;
  int lines = 0;
  for (std::size_t at = 0; at < log.size() && lines < 3;) {
    const auto end = std::min(log.find('\n', at), log.size());
    const auto line = log.substr(at, end - at);
    at = end + 1;
    const auto error = line.find("Error (");
    if (error == std::string_view::npos) continue;
    const auto text = line.find("): ", error);
    if (text == std::string_view::npos || harmless(line.substr(text + 3))) continue;
    if (!found.empty()) found += "; ";
    found += line.substr(text + 3);
    if (advice.empty()) advice = advice_for_criu_error(line.substr(text + 3));
    ++lines;
  }
  return advice.empty() ? found : std::string(advice) + " (" + found + ")";
}

bool criu_was_out_of_space(std::string_view explanation) {
  for (const auto words : {"No space left on device", "Disk quota exceeded", "Input/output error"}) {
    if (explanation.find(words) != std::string_view::npos) return true;
  }
  return false;
}

std::string explain_criu_log(int directory, const char* name) {
  const std::string base = "/proc/self/fd/" + std::to_string(directory) + "/";
  const auto log = read_file(base + name, 256 << 20);
  if (const std::string text = log ? explain_criu_text(*log) : ""; !text.empty()) return "criu: " + text;
  // It did not get as far as its log.
  const auto output = read_file(base + "criu.out", 1 << 20);
  if (output && !output->empty()) return "criu: " + output->substr(0, output->find('\n'));
  return "criu failed without a word";
}

}  // namespace stasis
