// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <string_view>

namespace stasis {
namespace {

constexpr int kNarrowest = 60;
constexpr int kWidest = 160;

const char* code_of(Ink ink) {
  switch (ink) {
    case Ink::faint:
      return "2";
    case Ink::good:
      return "32";
    case Ink::warning:
      return "33";
    case Ink::bad:
      return "31";
    case Ink::plain:
      break;
  }
  return "0";
}

}  // namespace

Terminal Terminal::of_stdout() {
  Terminal terminal;
  std::setlocale(LC_CTYPE, "");
  terminal.unicode = std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
  if (::isatty(STDOUT_FILENO) == 0) return terminal;
  // https://no-color.org: set and not empty.
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  terminal.colour = (no_colour == nullptr || *no_colour == '\0') && kind != nullptr && std::string_view(kind) != "dumb";
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = std::clamp<int>(size.ws_col, kNarrowest, kWidest);
  }
  return terminal;
}

std::string Terminal::ink(Ink colour_of_it, const std::string& text) const {
  if (!colour || colour_of_it == Ink::plain || text.empty()) return text;
  return std::string("\x1b[") + code_of(colour_of_it) + "m" + text + "\x1b[0m";
}

}  // namespace stasis
