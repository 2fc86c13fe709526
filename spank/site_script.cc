// SPDX-License-Identifier: Apache-2.0
#include "spank/site_script.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace stasis {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kSeparators = ";&|";
constexpr std::string_view kVariable = "SLURM_CHECKPOINT=";
constexpr std::string_view kCommand = "checkpointer";

using Words = std::vector<std::string>;

bool is_any_of(char letter, std::string_view letters) { return letters.find(letter) != std::string_view::npos; }

// The commands of a line, each cut into words without their quotes.
std::vector<Words> commands_of(std::string_view line) {
  std::vector<Words> commands(1);
  std::string word;
  bool in_word = false;
  const auto end_word = [&] {
    if (in_word) commands.back().push_back(word);
    word.clear();
    in_word = false;
  };
  char quote = '\0';
  for (const char letter : line) {
    if (quote != '\0') {
      if (letter == quote) {
        quote = '\0';
      } else {
        word += letter;
      }
    } else if (letter == '#' && !in_word) {
      break;
    } else if (is_any_of(letter, kBlanks)) {
      end_word();
    } else if (is_any_of(letter, kSeparators)) {
      end_word();
      commands.emplace_back();
    } else {
      in_word = true;
      if (letter == '\'' || letter == '"') {
        quote = letter;
      } else {
        word += letter;
      }
    }
  }
  end_word();
  return commands;
}

// NAME=VALUE
bool is_assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == 0 || equals == std::string_view::npos) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

bool is_checkpointer(std::string_view word) { return word.substr(word.rfind('/') + 1) == kCommand; }

}  // namespace

std::optional<std::string> checkpointer_interval(std::string_view script) {
  std::optional<std::string> interval;
  while (!script.empty()) {
    const auto end = std::min(script.find('\n'), script.size());
    for (const Words& words : commands_of(script.substr(0, end))) {
      const bool exports = !words.empty() && words.front() == "export";
      auto word = words.begin() + (exports ? 1 : 0);
      for (; word != words.end() && is_assignment(*word); ++word) {
        if (word->starts_with(kVariable)) interval = word->substr(kVariable.size());
      }
      if (!exports && word != words.end() && is_checkpointer(*word)) return interval;
    }
    script.remove_prefix(std::min(end + 1, script.size()));
  }
  return std::nullopt;
}

}  // namespace stasis
