// SPDX-License-Identifier: Apache-2.0
#include "common/checkpoint_comment.h"

#include <charconv>

#include "common/log.h"

namespace stasis {
namespace {

constexpr std::string_view kCheckpoint = "stasis: checkpoint ";
constexpr std::string_view kOf = " of ";
constexpr std::string_view kComma = ", ";
constexpr std::string_view kRunsOn = ", runs on ";

// What stands before `mark`, which is taken off the front of `text` along with it. nullopt: there is no such mark.
std::optional<std::string> take_until(std::string_view& text, std::string_view mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  std::string taken(text.substr(0, at));
  text.remove_prefix(at + mark.size());
  return taken;
}

}  // namespace

CheckpointComment make_checkpoint_comment(std::uint32_t number, std::time_t made_at, std::uint64_t bytes,
                                          const std::string& node) {
  char when[32];
  std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", std::localtime(&made_at));
  return {number, when, format_size(bytes), node};
}

std::string write_checkpoint_comment(const CheckpointComment& comment) {
  std::string text(kCheckpoint);
  text += std::to_string(comment.number);
  text.append(kOf).append(comment.when).append(kComma).append(comment.size).append(kRunsOn).append(comment.node);
  return text;
}

std::optional<CheckpointComment> parse_checkpoint_comment(std::string_view text) {
  if (!text.starts_with(kCheckpoint)) return std::nullopt;
  text.remove_prefix(kCheckpoint.size());
  const auto number = take_until(text, kOf);
  const auto when = take_until(text, kComma);
  const auto size = take_until(text, kRunsOn);
  if (!number || !when || !size || text.empty()) return std::nullopt;
  CheckpointComment comment{0, *when, *size, std::string(text)};
  const auto [end, error] = std::from_chars(number->data(), number->data() + number->size(), comment.number);
  if (error != std::errc() || end != number->data() + number->size()) return std::nullopt;
  return comment;
}

}  // namespace stasis
