// SPDX-License-Identifier: Apache-2.0
// log.h - one line per event on stderr, which systemd takes into the journal.
//
//   Log log("stasisd");
//   log.info("job={} dump done {} in {:.1f} s", "812.0", "3.1 GiB", 4.2);
//   stasisd: job=812.0 dump done 3.1 GiB in 4.2 s
//
// Subject, outcome, reason, size and time; each event once, by the layer that decides what comes of it. Never throws.
// Thread-safe: one write() per line.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace stasis {

// syslog's numbers, which the journal reads as "<6>" in front of a line.
enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

class Log {
 public:
  enum class Prefix { plain, journal };

  // `fd` stays the caller's and must outlive this. Lines less urgent than `least` are dropped.
  explicit Log(std::string program, int fd = STDERR_FILENO, Prefix prefix = Prefix::plain,
               LogLevel least = LogLevel::info)
      : program_(std::move(program)), fd_(fd), prefix_(prefix), least_(least) {}

  // Called with every line that is written, the program's name left out, by the thread that writes it. Must not throw.
  using Listener = std::function<void(LogLevel level, std::string_view line)>;
  // To be called before other threads use this.
  void listen(Listener listener) { listener_ = std::move(listener); }

  // journal when stderr is connected to systemd's journal.
  static Prefix prefix_for_stderr() noexcept;

  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const noexcept {
    line(LogLevel::error, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const noexcept {
    line(LogLevel::warning, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void notice(fmt::format_string<Args...> format, Args&&... args) const noexcept {
    line(LogLevel::notice, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const noexcept {
    line(LogLevel::info, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const noexcept {
    line(LogLevel::debug, format, std::forward<Args>(args)...);
  }

 private:
  template <class... Args>
  void line(LogLevel level, fmt::format_string<Args...> format, Args&&... args) const noexcept {
    if (level <= least_) write(level, format, fmt::make_format_args(args...));
  }
  void write(LogLevel level, fmt::string_view format, fmt::format_args args) const noexcept;

  std::string program_;
  int fd_;
  Prefix prefix_;
  LogLevel least_;
  Listener listener_;
};

// What a user wrote, fit for one line: control characters as \xNN, so that nobody forges a line or colours a terminal.
std::string printable(std::string_view text);

// "512 B", "3.1 GiB"
std::string format_size(unsigned long long bytes);

}  // namespace stasis
