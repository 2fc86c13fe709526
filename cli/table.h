// SPDX-License-Identifier: Apache-2.0
// table.h - rows in columns as wide as what is in them.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace stasis {

struct Cell {
  std::string text;  // ASCII; printable() before it comes here
  Ink ink = Ink::plain;
};

class Table {
 public:
  // A heading that begins with '>' has its column flush right.
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  // As many cells as there are headings. An empty one is shown as "-".
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  // Lines with their ends, the headings first. No blanks at a line's end.
  std::string text(const Terminal& terminal) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<Cell>> rows_;
};

// "42s", "3m", "2h10m", "3d4h": the two largest units, for people.
std::string short_time(long long seconds);

}  // namespace stasis
