// SPDX-License-Identifier: Apache-2.0
#include "cli/stats.h"

#include <fmt/format.h>

#include <cstdlib>

#include "cli/daemon_question.h"
#include "cli/table.h"
#include "cli/views.h"
#include "common/protocol.h"

namespace stasis {

std::vector<Sample> parse_metrics(std::string_view text) {
  std::vector<Sample> samples;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string line(text.substr(at, end - at));
    at = end + 1;
    const auto blank = line.rfind(' ');
    if (line.starts_with('#') || blank == std::string::npos) continue;
    const auto brace = line.find('{');
    Sample sample;
    sample.name = line.substr(0, std::min(brace, blank));
    sample.value = std::strtod(line.c_str() + blank, nullptr);
    // {outcome="made",reason="interval"}: labels of ours hold no quotes.
    for (auto quote = line.find('"', std::min(brace, blank)); quote != std::string::npos;) {
      const auto name = line.find_last_of("{,", quote) + 1;
      const auto close = line.find('"', quote + 1);
      if (close == std::string::npos) break;
      sample.labels[line.substr(name, quote - 1 - name)] = line.substr(quote + 1, close - quote - 1);
      quote = line.find('"', close + 1);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

double value_of(const std::vector<Sample>& samples, std::string_view name) {
  for (const auto& sample : samples) {
    if (sample.name == name) return sample.value;
  }
  return 0;
}

Result<std::vector<Sample>> node_metrics(const Config& config) {
  STASIS_LET(const auto answers, ask_daemon(config, Message(verb::kStats)));
  if (answers.empty()) return fail(ErrorKind::failed, "stasisd told no numbers");
  return parse_metrics(answers.front().get("text").value_or(""));
}

Result<void> show_stats(const Config& config, const View& view) {
  STASIS_LET(const auto samples, in_context("stats", node_metrics(config)));
  if (view.json) {
    Json list = Json::array();
    for (const auto& sample : samples) {
      list.push_back({{"name", sample.name}, {"labels", Json(sample.labels)}, {"value", sample.value}});
    }
    print_json({{"metrics", list}}, {});
    return {};
  }
  Table table({"METRIC", "OF", ">VALUE"});
  for (const auto& sample : samples) {
    // People read the sum and the count.
    if (sample.labels.count("le") != 0) continue;
    std::string labels;
    for (const auto& [name, value] : sample.labels) labels += (labels.empty() ? "" : " ") + name + "=" + value;
    table.add({{sample.name}, {labels}, {fmt::format("{:.15g}", sample.value)}});
  }
  fmt::print("{}", table.text(Terminal::of_stdout()));
  return {};
}

}  // namespace stasis
