// SPDX-License-Identifier: Apache-2.0
// questions.h - answers what people ask of this node: its runs, its numbers, its log, and what the store has of a job.
//
// Everything is answered by a worker, so that neither a peer who does not read nor a file system that hangs holds the
// daemon up. Who asks is what the kernel says: users are told of their own jobs, root of all.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/message_socket.h"
#include "daemon/recent_log.h"
#include "daemon/run_keeper.h"
#include "daemon/services.h"

namespace stasis {

class Questions {
 public:
  Questions(Services& services, const RecentLog& log) : services_(services), log_(log) {}

  static bool knows(const std::string& verb);
  // The answers go to `socket`, "end" last; `done` is called when that is over, and `socket` may be closed before.
  // `runs`: all of this node.
  void answer(int socket, const Message& question, const PeerCredentials& peer, const std::vector<RunKeeperPtr>& runs,
              const std::function<void()>& done);

 private:
  std::vector<Message> known(const Message& question, const PeerCredentials& peer,
                             const std::vector<RunKeeperPtr>& runs) const;
  std::optional<Result<std::vector<Message>>> looked_up(const Message& question, uid_t uid,
                                                        const std::vector<Run>& runs);

  Services& services_;
  const RecentLog& log_;
  std::map<uid_t, int> under_way_;
};

}  // namespace stasis
