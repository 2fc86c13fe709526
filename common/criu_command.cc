// SPDX-License-Identifier: Apache-2.0
#include "common/criu_command.h"

#include "common/paths.h"
#include "common/protocol.h"

namespace stasis {
namespace {

// Of a restore it may say something about each page.
constexpr char kSaysWhatGoesWrong[] = "-v2", kSaysWhatItDoes[] = "-v3";

std::vector<std::string> common_part(const std::string& criu, const char* action, const char* log, const char* says) {
  const std::string images = "/proc/self/fd/" + std::to_string(kImagesFd);
  return {criu, action,
          // CRIU would read /etc, $HOME/.criu and an environment variable.
          "--no-default-config", "--libdir", kCriuPlugins, "--images-dir", images, "--work-dir", images, "--log-file",
          log, says,
          // Files and sockets as programs have them. Established connections within the tree come back; locking the
          // network would need the node's firewall and stop nobody, for the other end is frozen, too.
          "--file-locks", "--tcp-established", "--network-lock", "skip", "--ext-unix-sk", "--link-remap",
          "--manage-cgroups=ignore"};
}

}  // namespace

std::vector<std::string> criu_dump_command(const std::string& criu, const DumpOptions& options) {
  auto words = common_part(criu, "dump", kDumpLog, kSaysWhatItDoes);
  words.insert(words.end(), {"--tree", std::to_string(options.root), "--action-script", kHookProgram,
                             // Deleted files that are still open travel in the images; 1 MiB would be the default.
                             "--ghost-limit", "1G",
                             // For collecting the tree; 10 s would be the default.
                             "--timeout", std::to_string(options.timeout.count())});
  if (options.leave_running) words.emplace_back("--leave-running");
  if (options.track_memory || !options.known.empty()) words.emplace_back("--track-mem");
  if (options.known.empty()) {
    // Through a socket among the images, not into files: daemon/image_streams.h. With pages left out criu cannot do
    // that.
    words.emplace_back("--stream");
  } else {
    words.insert(words.end(), {"--prev-images-dir", options.known});
  }
  return words;
}

std::vector<std::string> criu_restore_command(const std::string& criu, const RestoreOptions& options) {
  // What fails while it is streamed is restored once more, from files.
  auto words = common_part(criu, "restore", kRestoreLog, options.stream ? kSaysWhatGoesWrong : kSaysWhatItDoes);
  words.emplace_back("--restore-detached");
  if (options.stream) words.emplace_back("--stream");
  for (std::size_t fd = 0; fd < options.stdio.size(); ++fd) {
    const std::string& link = options.stdio[fd];
    if (!link.starts_with("pipe:[")) continue;
    words.insert(words.end(),
                 {"--inherit-fd", "fd[" + std::to_string(kFirstInheritedStdio + static_cast<int>(fd)) + "]:" + link});
  }
  return words;
}

}  // namespace stasis
