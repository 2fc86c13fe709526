// SPDX-License-Identifier: Apache-2.0
#include "common/checkpoint_method.h"

#include <charconv>
#include <optional>

namespace stasis {
namespace {

struct Named {
  const char* name;
  int number;
  bool asks_to_end;
};
// That a program can catch, and that neither the kernel nor a terminal has another use for.
constexpr Named kSignals[] = {
    {"USR1", SIGUSR1, false}, {"USR2", SIGUSR2, false}, {"URG", SIGURG, false},  {"TERM", SIGTERM, true},
    {"INT", SIGINT, true},    {"HUP", SIGHUP, true},    {"QUIT", SIGQUIT, true}, {"XCPU", SIGXCPU, true},
};

std::optional<long> number_in(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const Named* find_signal(std::string_view text) {
  const auto number = number_in(text);
  if (text.starts_with("SIG")) text.remove_prefix(3);
  for (const Named& known : kSignals) {
    if (text == known.name || number == known.number) return &known;
  }
  return nullptr;
}

// Takes what stands before the next ':' off the front, and that too.
std::string_view take_word(std::string_view& text) {
  const auto colon = text.find(':');
  const auto word = text.substr(0, colon);
  text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
  return word;
}

Failure refuse(std::string_view text) {
  std::string names;
  for (const Named& known : kSignals) names += std::string(names.empty() ? "" : ", ") + known.name;
  return fail(ErrorKind::failed, "'" + std::string(text) +
                                     "' is no way to make checkpoints: write criu, signal[:SIG[:SECONDS]] or "
                                     "auto[:SIG[:SECONDS]], such as signal:USR1:120, with one of " +
                                     names + " and 1 to " + std::to_string(kLongestPatience.count()) + " seconds");
}

}  // namespace

Result<CheckpointMethod> parse_checkpoint_method(std::string_view text) {
  CheckpointMethod method;
  if (text == "criu") return method;
  // An empty word at the end is a mistake, too: "signal:" is not "signal".
  if (text.ends_with(':')) return refuse(text);
  std::string_view rest = text;
  const auto kind = take_word(rest);
  if (kind == "signal") {
    method.kind = CheckpointMethod::Kind::signal;
  } else if (kind == "auto") {
    method.kind = CheckpointMethod::Kind::automatic;
  } else {
    return refuse(text);
  }
  if (rest.empty()) return method;
  const Named* signal = find_signal(take_word(rest));
  if (signal == nullptr) return refuse(text);
  method.signal = signal->number;
  if (rest.empty()) return method;
  const auto seconds = number_in(rest);
  if (!seconds || *seconds < 1 || *seconds > kLongestPatience.count()) return refuse(text);
  method.patience = std::chrono::seconds(*seconds);
  return method;
}

std::string to_string(const CheckpointMethod& method) {
  if (method.kind == CheckpointMethod::Kind::criu) return "criu";
  return std::string(method.kind == CheckpointMethod::Kind::signal ? "signal:" : "auto:") +
         signal_name(method.signal).substr(3) + ":" + std::to_string(method.patience.count());
}

std::string signal_name(int number) {
  for (const Named& known : kSignals) {
    if (number == known.number) return std::string("SIG") + known.name;
  }
  return "signal " + std::to_string(number);
}

bool asks_to_end(int number) noexcept {
  for (const Named& known : kSignals) {
    if (number == known.number) return known.asks_to_end;
  }
  return false;
}

}  // namespace stasis
