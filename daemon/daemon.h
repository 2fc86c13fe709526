// SPDX-License-Identifier: Apache-2.0
// daemon.h - stasisd: listens, knows the runs of this node and has each looked after by its keeper.
//
// One thread that never waits. Nothing has to survive in here: capsules connect again to a new daemon and tell what
// they are.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/keys.h"
#include "common/message_socket.h"
#include "daemon/questions.h"
#include "daemon/recent_log.h"
#include "daemon/run_keeper.h"
#include "daemon/services.h"

namespace stasis {

class Daemon {
 public:
  // Listens to `log`, which outlives this.
  Daemon(Config config, Keys keys, Log& log);
  // Until SIGTERM or SIGINT. An error: it could not start.
  Result<void> run();

 private:
  Result<void> listen();
  void learn_slurm();
  void clean_up();
  void clean_store_later();
  void write_metrics();
  void on_signal();
  void on_connect();
  void on_message(int socket);
  void on_stranger(int socket, const Message& message, const PeerCredentials& peer);
  void on_admit(int socket, const Message& message);
  void on_capsule(int socket, const Message& message, const PeerCredentials& peer);
  void on_ask(int socket, const Message& message, const PeerCredentials& peer);
  std::vector<RunKeeperPtr> runs() const;
  void on_question(int socket, const Message& message, const PeerCredentials& peer);
  void answer(int asker, const std::string& name, Message result);
  void lose_run(int socket);
  void forget_stranger(int socket);

  struct Stranger {
    UniqueFd socket;
    EventLoop::TimerId patience = 0;
  };

  Services services_;
  RecentLog recent_;
  Questions questions_{services_, recent_};
  bool metrics_fail_ = false;
  bool filtered_ = false;  // by seccomp
  UniqueFd listener_;
  UniqueFd signals_;
  std::map<int, Stranger> strangers_;    // connected, and no capsule's init
  std::map<int, int> awaited_;           // of those who asked for checkpoints: how many answers are still to come
  std::map<int, RunKeeperPtr> runs_;     // by their connection
  std::map<pid_t, RunKeeperPtr> quiet_;  // by init's pid: connection lost, init not known to be dead
};

}  // namespace stasis
