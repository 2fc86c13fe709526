// SPDX-License-Identifier: Apache-2.0
#include "daemon/preflight.h"

#include <string>

#include "common/memory_use.h"
#include "daemon/obstacles.h"

namespace stasis {

Result<void> preflight(const std::vector<CapsuleProcess>& tree, OutsideConnections connections) {
  for (const auto& obstacle : find_obstacles(tree, connections)) {
    if (obstacle.blocks) return fail(ErrorKind::unsupported, obstacle.sentence());
  }
  return {};
}

std::string explain_failed_dump(std::string text, const std::vector<CapsuleProcess>& tree,
                                OutsideConnections connections) {
  for (const auto& obstacle : find_obstacles(tree, connections)) text += "; " + obstacle.sentence();
  return text;
}

Result<std::vector<Message>> check_run(const Run& run, OutsideConnections connections) {
  STASIS_LET(const auto processes, capsule_processes(run.init));
  const auto tree = tree_of(processes, run.root);
  if (tree.empty()) return fail(ErrorKind::lost, "the payload has ended");
  std::vector<Message> messages;
  // The root of the tree is ours.
  messages.push_back(Message("checked")
                         .add("name", run.name())
                         .add("part", run.part)
                         .add("processes", static_cast<std::int64_t>(tree.size()) - 1)
                         .add("bytes", static_cast<std::int64_t>(memory_to_dump(tree))));
  for (const auto& obstacle : find_obstacles(tree, connections)) {
    messages.push_back(Message("obstacle")
                           .add("name", run.name())
                           .add("part", run.part)
                           .add("process", obstacle.process)
                           .add("program", obstacle.program)
                           .add("object", obstacle.object)
                           .add("advice", obstacle.advice)
                           .add("blocks", obstacle.blocks ? 1 : 0));
  }
  return messages;
}

}  // namespace stasis
