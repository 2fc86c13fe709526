// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>

#include "cli/verbs.h"
#include "common/daemon_socket.h"
#include "common/log.h"
#include "common/message_socket.h"
#include "common/protocol.h"

namespace stasis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kConnects{10};
constexpr std::chrono::milliseconds kSign{200};

// A line for who watches, rewritten until there is an answer; nothing where stderr is no terminal.
class Progress {
 public:
  explicit Progress(bool wanted) : shown_(wanted && ::isatty(STDERR_FILENO) == 1) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show() {
    if (!shown_) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - since_).count();
    fmt::print(stderr, "\r\033[Kcheckpointing, {:.0f} s", seconds);
    drawn_ = true;
  }
  void clear() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  bool shown_;
  bool drawn_ = false;
  Clock::time_point since_ = Clock::now();
};

Result<Message> next_answer(int socket, Progress& progress) {
  while (true) {
    auto received = receive_message(socket, Deadline::in(kSign));
    if (received) return std::move(received->message);
    if (received.error().kind != ErrorKind::timed_out) return fail(received.error());
    progress.show();
  }
}

Json to_json(const std::string& name, const Message& made) {
  return {{"name", name},
          {"checkpoint", made.get_int("number", 0, UINT32_MAX).value_or(0)},
          {"bytes", made.get_int("bytes", 0, INT64_MAX).value_or(0)},
          {"frozen_ms", made.get_int("frozen_us", 0, INT64_MAX).value_or(0) / 1000},
          {"took_ms", made.get_int("took_ms", 0, INT64_MAX).value_or(0)}};
}

// Tells what the daemon has to say, up to its "end". A job that could not be checkpointed is an error at the end.
Result<void> ask(const Config& config, const Message& question, const View& view) {
  STASIS_LET(const UniqueFd socket, connect_to_daemon(config.socket.c_str(), Deadline::in(kConnects)));
  STASIS_TRY(send_message(socket.get(), question, Deadline::in(kConnects)));
  Result<void> outcome;
  Json made = Json::array();
  Json signalled = Json::array();
  Json skipped = Json::array();
  Progress progress(!view.json);
  while (true) {
    STASIS_LET(const Message message, next_answer(socket.get(), progress));
    if (message.verb() == verb::kEnd) break;
    progress.clear();
    const std::string name(message.get("name").value_or(""));
    if (message.verb() == "checkpointed") {
      const Json one = to_json(name, message);
      if (!view.json) {
        fmt::print("job {}: checkpoint {}, {}, frozen {} ms\n", name, one["checkpoint"].get<std::int64_t>(),
                   format_size(one["bytes"].get<std::uint64_t>()), one["frozen_ms"].get<std::int64_t>());
        std::fflush(stdout);
      }
      made.push_back(one);
    } else if (message.verb() == "signalled") {
      if (!view.json) fmt::print("job {}: its program was told to write a checkpoint\n", name);
      std::fflush(stdout);
      signalled.push_back({{"name", name},
                           {"processes", message.get_int("processes", 0, INT32_MAX).value_or(0)},
                           {"took_ms", message.get_int("took_ms", 0, INT64_MAX).value_or(0)}});
    } else {
      const std::string text(message.get("text").value_or("refused"));
      skipped.push_back({{"name", name.empty() ? Json() : Json(name)}, {"text", text}});
      outcome = fail(ErrorKind::failed, name.empty() ? text : "job " + name + ": " + text);
    }
  }
  if (view.json) print_json({{"made", made}, {"signalled", signalled}, {"skipped", skipped}}, {});
  return outcome;
}

}  // namespace

Result<void> checkpoint_job(const Config& config, std::uint32_t job, bool requeue, const View& view) {
  return ask(config, Message(verb::kCheckpoint).add("job", job).add("requeue", requeue ? 1 : 0), view);
}

Result<void> evacuate_node(const Config& config, const std::string& node, const View& view) {
  std::array<char, HOST_NAME_MAX + 1> name{};
  ::gethostname(name.data(), name.size() - 1);
  const std::string here = name.data();
  if (!node.empty() && node != here && node != here.substr(0, here.find('.'))) {
    return fail(ErrorKind::unsupported, "only the daemon of " + node + " can do that, and this is " + here +
                                            ": run `stasis evacuate` there, as root");
  }
  return ask(config, Message(verb::kEvacuate), view);
}

}  // namespace stasis
