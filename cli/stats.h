// SPDX-License-Identifier: Apache-2.0
// stats.h - the numbers that the daemon of this node has counted. docs/metrics.md tells what each means.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "common/result.h"

namespace stasis {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

// Of Prometheus' text format, as Metrics::text() writes it.
std::vector<Sample> parse_metrics(std::string_view text);
// The first one of that name; 0: there is none.
double value_of(const std::vector<Sample>& samples, std::string_view name);
Result<std::vector<Sample>> node_metrics(const Config& config);

}  // namespace stasis
