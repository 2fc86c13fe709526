// SPDX-License-Identifier: Apache-2.0
#include "capsule/environment.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "common/protocol.h"

namespace stasis {
namespace {

// How Slurm hands --checkpoint-from on. To an sbatch of the script it would be said again: that job would go on from
// there, too.
constexpr std::string_view kOriginOption = "SLURM_SPANK__SLURM_SPANK_OPTION_stasis_checkpoint_from";

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

// In single quotes nothing but they themselves means anything.
std::string quoted(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

}  // namespace

std::string slurm_variables(char** environment, std::size_t limit) {
  std::string text;
  for (char** at = environment; *at != nullptr; ++at) {
    const std::string_view variable(*at);
    const auto equals = variable.find('=');
    if (!variable.starts_with("SLURM") || equals == std::string_view::npos) continue;
    const std::string_view name = variable.substr(0, equals);
    if (!is_name(name)) continue;
    text += name == kOriginOption ? kOriginVariable : "export " + std::string(name);
    text += "=" + quoted(variable.substr(equals + 1)) + "\n";
  }
  return text.size() > limit ? std::string() : text;
}

}  // namespace stasis
