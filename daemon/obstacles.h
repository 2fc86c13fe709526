// SPDX-License-Identifier: Apache-2.0
// obstacles.h - what processes of a job have that no dump can carry, or that would be missing where they go on. Looked
// for while they run: what is found is a moment's truth, and criu has the last word.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/capsule_processes.h"
#include "common/policy.h"

namespace stasis {

struct Obstacle {
  pid_t process = 0;    // inside of the capsule
  std::string program;  // its name
  std::string object;   // what it has
  std::string advice;   // a sentence on what its user can do
  bool blocks = true;   // no dump is possible; else one is, but going on elsewhere is in doubt

  std::string sentence() const;
};

// In the order of the processes, the root of the tree first.
std::vector<Obstacle> find_obstacles(const std::vector<CapsuleProcess>& tree, OutsideConnections connections);

// What a descriptor leads to, by its link in /proc and its status. nullopt: it can be carried.
struct Judged {
  std::string object;
  std::string advice;
};
std::optional<Judged> judge_descriptor(std::string_view link, const struct stat& status);

}  // namespace stasis
