// SPDX-License-Identifier: Apache-2.0
// The part of the doctor that looks at this machine: its daemon, criu, the store and the key.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "cli/daemon_question.h"
#include "cli/doctor.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/page_scan.h"
#include "common/subprocess.h"

namespace stasis {
namespace {

using State = Finding::State;

constexpr std::chrono::seconds kProgramAnswers{30};
// A file server that is away holds up whoever asks: so it is a program of its own that asks first.
constexpr std::chrono::seconds kStoreAnswers{10};
constexpr std::uint64_t kLittleSpace = std::uint64_t{1} << 30;

Result<Finished> call(const std::string& program, std::vector<std::string> arguments, std::chrono::seconds patience) {
  Command command;
  command.program = program;
  command.arguments = std::move(arguments);
  command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  return run(command, Deadline::in(patience));
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

Finding look_at_kernel(const Config& config) {
  if (::geteuid() != 0) return {"kernel", State::warn, "`criu check` needs root", "run `stasis doctor` as root"};
  const auto checked = call(config.criu, {"check"}, kProgramAnswers);
  if (!checked) return {"kernel", State::bad, checked.error().message, "install criu"};
  if (checked->ok()) return {"kernel", State::ok, "`criu check` finds all it needs", ""};
  return {"kernel", State::bad, "`criu check`: " + last_line(checked->err.empty() ? checked->out : checked->err),
          "a kernel with what criu needs, or a newer criu"};
}

// No fault either way, and worth knowing where a checkpoint takes long.
Finding look_at_memory(const Config& config) {
  if (!config.defaults.track_memory)
    return {"memory", State::ok, "is read at each checkpoint: track_memory is off", ""};
  if (::geteuid() != 0) return {"memory", State::warn, "only root can try it", "run `stasis doctor` as root"};
  return {"memory", State::ok,
          kernel_tracks_memory() ? "what was not written to is not read again: this kernel tells"
                                 : "is read at each checkpoint: this kernel does not tell what was written to",
          ""};
}

std::string space_text(const std::string& path, State& state) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return "free space unknown";
  const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
  if (free < kLittleSpace) state = State::warn;
  return format_size(free) + " free";
}

// By making a directory and removing it, which is what a checkpoint begins with.
Finding look_at_store(const Config& config) {
  const auto asked = call("/usr/bin/stat", {"--file-system", "--format=%T", config.store}, kStoreAnswers);
  if (!asked || asked->signal != 0) {
    return {"store", State::bad, config.store + " does not answer within 10 s",
            "look at the file server and its mount"};
  }
  struct stat status {};
  if (::stat(config.store.c_str(), &status) != 0) {
    const int error = errno;
    const std::string above = std::filesystem::path(config.store).parent_path();
    if (error == ENOENT && ::stat(above.c_str(), &status) == 0) {
      return {"store", State::warn, config.store + " is made by the first checkpoint",
              "make sure that all nodes share " + above + ", or set `store` in stasis.yaml"};
    }
    return {"store", State::bad, errno_error(config.store, error).message,
            "make it on storage that all nodes share, or set `store` in stasis.yaml"};
  }
  State state = State::ok;
  const std::string text = config.store + ": " + last_line(asked->out) + ", " + space_text(config.store, state);
  const std::string little = state == State::ok ? "" : "make room, or `stasis prune`";
  if (::geteuid() != 0) return {"store", State::warn, text + "; whether it can be written only root can tell", little};
  std::string probe = config.store + "/.doctor-XXXXXX";
  if (::mkdtemp(probe.data()) == nullptr) {
    const int error = errno;
    const bool for_users = (status.st_mode & 01777) == 01777;
    if (for_users) return {"store", state, text + "; root may not write, users may", little};
    return {"store", State::bad, text + "; " + errno_error("write to it", error).message,
            "root must be allowed to write there, or mode 1777 for a file server that takes root for nobody"};
  }
  ::rmdir(probe.c_str());
  return {"store", state, text + ", can be written", little};
}

Finding look_at_key(const Config& config) {
  if (::geteuid() != 0) return {"key", State::warn, "only root can read it", "run `stasis doctor` as root"};
  const auto keys = Keys::load(config.key_file);
  if (!keys) return {"key", State::bad, keys.error().message, "the same key file on every node, root's, mode 600"};
  // A code of a fixed text: it tells nothing of the key, and is the same where the key is.
  const auto print = keys->sign("stasis doctor: fingerprint");
  return {"key", State::ok,
          fmt::format("'{}', fingerprint {}: must be the same on every node", print.key_id, print.code.substr(0, 16)),
          ""};
}

Finding look_at_local(const Config& config) {
  struct stat status {};
  if (::stat(config.local.c_str(), &status) != 0) {
    if (errno == ENOENT) return {"local", State::ok, config.local + " is made by the first checkpoint", ""};
    return {"local", State::warn, errno_error(config.local, errno).message, "run `stasis doctor` as root"};
  }
  if (status.st_uid != 0 || (status.st_mode & 022) != 0) {
    return {"local", State::bad, config.local + " can be written by others than root", "chown root, chmod 700"};
  }
  State state = State::ok;
  const std::string text = config.local + ": " + space_text(config.local, state);
  return {"local", state, text, state == State::ok ? "" : "make room: a checkpoint passes through it"};
}

}  // namespace

Finding look_at_daemon(const Config& config, std::vector<Sample>& metrics) {
  auto told = node_metrics(config);
  if (!told) {
    if (!is_without_daemon(told.error()))
      return {"daemon", State::bad, told.error().message, "systemctl status stasisd"};
    return {"daemon", State::warn, told.error().message + ": right on a login node, wrong on one that runs jobs",
            "systemctl enable --now stasisd"};
  }
  metrics = *std::move(told);
  return {"daemon", State::ok,
          fmt::format("answers, and protects {} tasks", value_of(metrics, "stasis_protected_tasks")), ""};
}

Findings look_at_programs(const Config& config) {
  utsname names{};
  ::uname(&names);
  const auto version = call(config.criu, {"--version"}, kProgramAnswers);
  return {judge_criu(version && version->ok() ? version->out : "", names.release), look_at_kernel(config),
          look_at_memory(config)};
}

Findings look_at_places(const Config& config) {
  return {look_at_key(config), look_at_local(config), look_at_store(config)};
}

}  // namespace stasis
