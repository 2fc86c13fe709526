// SPDX-License-Identifier: Apache-2.0
#include "common/proc.h"

#include <charconv>
#include <optional>

#include "common/read_file.h"

namespace stasis {
namespace {

template <class Int>
std::optional<Int> to_number(std::string_view text, int base = 10) {
  Int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes what stands before `separator` off the front of `text`; all of it when there is none.
std::string_view take(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return front;
}

std::vector<std::string_view> words(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n";
  std::vector<std::string_view> found;
  for (auto begin = text.find_first_not_of(kBlank); begin != std::string_view::npos;) {
    const auto end = text.find_first_of(kBlank, begin);
    found.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlank, end);
  }
  return found;
}

template <class Int>
bool to_numbers(std::string_view text, std::vector<Int>& numbers) {
  for (const std::string_view word : words(text)) {
    const auto number = to_number<Int>(word);
    if (!number) return false;
    numbers.push_back(*number);
  }
  return true;
}

bool to_ids(std::string_view text, ProcStatus::Ids& ids) {
  std::vector<std::uint32_t> numbers;
  if (!to_numbers(text, numbers) || numbers.size() != 4) return false;
  ids = {numbers[0], numbers[1], numbers[2], numbers[3]};
  return true;
}

bool to_mask(std::string_view text, std::uint64_t& mask) {
  const auto fields = words(text);
  const auto number = fields.size() == 1 ? to_number<std::uint64_t>(fields[0], 16) : std::nullopt;
  mask = number.value_or(0);
  return number.has_value();
}

// "   1234 kB"
bool to_kib(std::string_view text, std::uint64_t& kib) {
  const auto fields = words(text);
  const auto number = fields.size() == 2 ? to_number<std::uint64_t>(fields[0]) : std::nullopt;
  kib = number.value_or(0);
  return number.has_value();
}

bool add_number(std::string_view text, std::uint64_t& sum) {
  const auto fields = words(text);
  const auto number = fields.size() == 1 ? to_number<std::uint64_t>(fields[0]) : std::nullopt;
  sum += number.value_or(0);
  return number.has_value();
}

bool read_status_line(std::string_view key, std::string_view value, ProcStatus& status) {
  if (key == "Uid") return to_ids(value, status.uid);
  if (key == "Gid") return to_ids(value, status.gid);
  if (key == "Groups") return to_numbers(value, status.groups);
  if (key == "NSpid") return to_numbers(value, status.pids);
  if (key == "CapInh") return to_mask(value, status.cap_inheritable);
  if (key == "CapPrm") return to_mask(value, status.cap_permitted);
  if (key == "CapEff") return to_mask(value, status.cap_effective);
  if (key == "CapBnd") return to_mask(value, status.cap_bounding);
  if (key == "CapAmb") return to_mask(value, status.cap_ambient);
  if (key == "SigPnd") return to_mask(value, status.signals_pending);
  if (key == "ShdPnd") return to_mask(value, status.process_signals_pending);
  if (key == "SigBlk") return to_mask(value, status.signals_blocked);
  if (key == "SigIgn") return to_mask(value, status.signals_ignored);
  if (key == "SigCgt") return to_mask(value, status.signals_caught);
  if (key == "State") {
    const auto fields = words(value);
    if (fields.empty()) return false;
    status.state = fields[0].front();
  }
  if (key == "voluntary_ctxt_switches" || key == "nonvoluntary_ctxt_switches")
    return add_number(value, status.switches);
  if (key == "VmRSS") return to_kib(value, status.resident_kib);
  return true;
}

std::string proc_path(pid_t pid, const char* file) { return "/proc/" + std::to_string(pid) + "/" + file; }

// A process that ends while its file is open answers ESRCH, which is not_found as well.
template <class Parse>
auto read_and_parse(pid_t pid, const char* file, Parse parse) -> decltype(parse(std::string_view())) {
  const std::string path = proc_path(pid, file);
  STASIS_LET(const std::string text, read_file(path));
  return in_context(path, parse(text));
}

}  // namespace

Result<ProcStat> parse_proc_stat(std::string_view text) {
  // "PID (NAME) STATE PPID ...": NAME may hold anything, ") R 1" too, but nothing behind it holds a parenthesis.
  const auto open = text.find(" (");
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) {
    return fail(ErrorKind::corrupt, "no process name in parentheses");
  }
  const auto fields = words(text.substr(close + 1));
  // Counted as in proc(5), where the state is field 3.
  constexpr std::size_t kState = 3, kParent = 4, kGroup = 5, kSession = 6, kThreads = 20, kStart = 22;
  if (fields.size() <= kStart - kState) return fail(ErrorKind::corrupt, "too few fields");
  const auto field = [&](std::size_t number) { return fields[number - kState]; };

  const auto pid = to_number<pid_t>(text.substr(0, open));
  const auto parent = to_number<pid_t>(field(kParent));
  const auto group = to_number<pid_t>(field(kGroup));
  const auto session = to_number<pid_t>(field(kSession));
  const auto threads = to_number<int>(field(kThreads));
  const auto start = to_number<std::uint64_t>(field(kStart));
  if (field(kState).size() != 1 || !pid || !parent || !group || !session || !threads || !start) {
    return fail(ErrorKind::corrupt, "a field is no number");
  }
  return ProcStat{*pid,
                  std::string(text.substr(open + 2, close - open - 2)),
                  field(kState).front(),
                  *parent,
                  *group,
                  *session,
                  *threads,
                  *start};
}

Result<ProcStatus> parse_proc_status(std::string_view text) {
  ProcStatus status;
  bool uid_seen = false;
  bool gid_seen = false;
  while (!text.empty()) {
    std::string_view value = take(text, '\n');
    // The kernel escapes newlines in Name, so that no process can fake a line.
    const std::string_view key = take(value, ':');
    if (!read_status_line(key, value, status)) return fail(ErrorKind::corrupt, std::string(key) + " is malformed");
    uid_seen |= key == "Uid";
    gid_seen |= key == "Gid";
  }
  if (!uid_seen || !gid_seen) return fail(ErrorKind::corrupt, "no Uid or Gid");
  return status;
}

Result<std::vector<CgroupEntry>> parse_proc_cgroup(std::string_view text) {
  std::vector<CgroupEntry> entries;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    const auto hierarchy = to_number<int>(take(line, ':'));
    const std::string_view controllers = take(line, ':');
    if (!hierarchy || line.empty() || line.front() != '/') return fail(ErrorKind::corrupt, "no cgroup path in a line");
    entries.push_back({*hierarchy, std::string(controllers), std::string(line)});
  }
  return entries;
}

Result<ProcStat> read_proc_stat(pid_t pid) { return read_and_parse(pid, "stat", parse_proc_stat); }
Result<ProcStatus> read_proc_status(pid_t pid) { return read_and_parse(pid, "status", parse_proc_status); }
Result<std::vector<CgroupEntry>> read_proc_cgroup(pid_t pid) {
  return read_and_parse(pid, "cgroup", parse_proc_cgroup);
}

}  // namespace stasis
