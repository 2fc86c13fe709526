// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon_question.h"

#include "common/daemon_socket.h"
#include "common/message_socket.h"
#include "common/protocol.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kConnects{10};

}  // namespace

Result<std::vector<Message>> ask_daemon(const Config& config, const Message& question) {
  STASIS_LET(const UniqueFd socket, connect_to_daemon(config.socket.c_str(), Deadline::in(kConnects)));
  STASIS_TRY(send_message(socket.get(), question, Deadline::in(kConnects)));
  std::vector<Message> answers;
  while (true) {
    // A daemon of an earlier version closes the connection: it does not know the question.
    auto received = receive_message(socket.get(), Deadline::never());
    if (!received) return fail(ErrorKind::failed, "stasisd gave no answer; is it of another version?");
    const Message& message = received->message;
    if (message.verb() == verb::kEnd) return answers;
    if (message.verb() == "refused")
      return fail(ErrorKind::failed, std::string(message.get("text").value_or("refused")));
    answers.push_back(message);
  }
}

bool is_without_daemon(const Error& error) {
  return error.kind == ErrorKind::not_found || error.kind == ErrorKind::lost;
}

}  // namespace stasis
