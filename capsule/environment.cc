// SPDX-License-Identifier: Apache-2.0
#include "capsule/environment.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace stasis {
namespace {

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
    if (!is_name(variable.substr(0, equals))) continue;
    text += "export " + std::string(variable.substr(0, equals)) + "=" + quoted(variable.substr(equals + 1)) + "\n";
  }
  return text.size() > limit ? std::string() : text;
}

}  // namespace stasis
