// SPDX-License-Identifier: Apache-2.0
// terminal.h - what stdout can show. Colour is for terminals only, and not where NO_COLOR says so.
#pragma once

#include <string>

namespace stasis {

enum class Ink { plain, faint, good, warning, bad };

struct Terminal {
  bool colour = false;
  bool unicode = false;
  int width = 80;

  // As stdout and the environment are.
  static Terminal of_stdout();
  std::string ink(Ink colour_of_it, const std::string& text) const;
};

}  // namespace stasis
