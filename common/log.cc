// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iterator>

namespace stasis {

Log::Prefix Log::prefix_for_stderr() noexcept {
  // systemd names the stream it has given us; stderr may have been redirected since.
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return Prefix::plain;
  std::array<char, 64> ours{};
  fmt::format_to_n(ours.data(), ours.size() - 1, "{}:{}", status.st_dev, status.st_ino);
  return std::string_view(stream) == ours.data() ? Prefix::journal : Prefix::plain;
}

void Log::write(LogLevel level, fmt::string_view format, fmt::format_args args) const noexcept {
  try {
    std::string text;
    if (prefix_ == Prefix::journal) text = fmt::format("<{}>", static_cast<int>(level));
    const std::string line = printable(fmt::vformat(format, args));
    if (listener_) listener_(level, line);
    text += program_ + ": " + line + "\n";
    ssize_t written = 0;
    do {
      written = ::write(fd_, text.data(), text.size());
    } while (written < 0 && errno == EINTR);
  } catch (...) {
    // Out of memory, at worst: no reason to end the daemon for a line.
  }
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

std::string format_size(unsigned long long bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 and more would be printed as 1024.0.
  for (; size >= 1023.95 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace stasis
