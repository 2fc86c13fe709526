// SPDX-License-Identifier: Apache-2.0
// metrics_file.h - puts the metrics where Prometheus' node exporter looks for them.
#pragma once

#include <string>

#include "common/result.h"

namespace stasis {

// Whoever reads `path` sees the text of before or this one, never half of it. Not synced: after a power cut nobody
// needs it. Its directory is expected to be on the node's own disk.
Result<void> write_metrics_file(const std::string& path, const std::string& text);

}  // namespace stasis
