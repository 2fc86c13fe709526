// SPDX-License-Identifier: Apache-2.0
#include "cli/checkpoint_json.h"

namespace stasis {

Json checkpoints_json(const std::vector<StoredCheckpoint>& checkpoints) {
  Json list = Json::array();
  for (const auto& one : checkpoints) {
    list.push_back({{"part", one.part},
                    {"number", one.number},
                    {"first_start", one.job.first_start},
                    {"uid", one.job.uid},
                    {"made_at", time_or_null(one.made_at)},
                    {"node", one.node},
                    {"reason", one.reason},
                    {"restarts", one.restarts},
                    {"bytes", one.bytes},
                    {"needed", one.needed},
                    {"aside", one.aside},
                    {"directory", one.directory},
                    {"damage", one.damage.empty() ? Json() : Json(one.damage)}});
  }
  return list;
}

}  // namespace stasis
