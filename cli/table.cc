// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace stasis {
namespace {

constexpr char kRight = '>';

}  // namespace

std::string Table::text(const Terminal& terminal) const {
  std::vector<std::vector<Cell>> lines;
  std::vector<Cell> head;
  for (const auto& heading : headings_) {
    head.push_back({heading.starts_with(kRight) ? heading.substr(1) : heading, Ink::faint});
  }
  lines.push_back(std::move(head));
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths(headings_.size());
  for (auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (line[i].text.empty()) line[i] = {"-", Ink::faint};
      widths[i] = std::max(widths[i], line[i].text.size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string fill(widths[i] - line[i].text.size(), ' ');
      const std::string shown = terminal.ink(line[i].ink, line[i].text);
      if (i > 0) text += "  ";
      text += headings_[i].starts_with(kRight) ? fill + shown : i + 1 < widths.size() ? shown + fill : shown;
    }
    text += "\n";
  }
  return text;
}

std::string short_time(long long seconds) {
  if (seconds < 0) seconds = 0;
  const long long minutes = seconds / 60;
  const long long hours = minutes / 60;
  const long long days = hours / 24;
  const auto two = [](long long large, char unit, long long small, char lesser) {
    return small == 0 ? fmt::format("{}{}", large, unit) : fmt::format("{}{}{}{}", large, unit, small, lesser);
  };
  if (minutes == 0) return fmt::format("{}s", seconds);
  // Who waits for some minutes wants to see the seconds pass.
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (hours == 0) return fmt::format("{}m", minutes);
  if (days == 0) return two(hours, 'h', minutes % 60, 'm');
  return two(days, 'd', hours % 24, 'h');
}

}  // namespace stasis
