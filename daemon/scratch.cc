// SPDX-License-Identifier: Apache-2.0
#include "daemon/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "common/cgroup_join.h"
#include "common/read_file.h"

namespace stasis {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;

// What the child found out, by way of a file of both.
Result<int> in_child_of_cgroups(pid_t init, int answer, const std::function<Result<std::string>()>& work) {
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    const auto done = [&]() -> Result<std::string> {
      STASIS_TRY(in_context("join the job's cgroups", join_cgroups_of(init)));
      return work();
    }();
    const std::string& text = done ? *done : done.error().message;
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(answer, text.data() + at, text.size() - at);
      if (written <= 0) ::_exit(2);
      at += static_cast<std::size_t>(written);
    }
    ::_exit(done ? kDone : kFailed);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return fail(ErrorKind::failed, "was killed: is the job's memory limit too small for it?");
  return WEXITSTATUS(status);
}

}  // namespace

Result<std::vector<ScratchDirectory>> open_scratch(pid_t init, int init_pidfd) {
  std::vector<ScratchDirectory> scratch;
  for (const char* path : kScratchPaths) {
    const std::string outside = "/proc/" + std::to_string(init) + "/root" + path;
    UniqueFd fd(::open(outside.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return fail(errno_error(std::string("open the capsule's ") + path, errno));
    scratch.push_back({path, std::move(fd)});
  }
  // Readable: init has ended, and the pid may have been another's.
  pollfd ended{init_pidfd, POLLIN, 0};
  if (::poll(&ended, 1, 0) != 0) return fail(ErrorKind::not_found, "the capsule is gone");
  return scratch;
}

void save_scratch_in_advance(const std::vector<ScratchDirectory>& scratch, const std::set<FileId>& mapped,
                             ArchiveWriter& archive, FileIndex& index) {
  for (const auto& directory : scratch) {
    (void)save_in_advance(directory.fd.get(), directory.path, mapped, archive, index);
  }
}

Result<FileTree> save_scratch(const std::vector<ScratchDirectory>& scratch, const std::set<FileId>& mapped,
                              const FileIndex& before, ArchiveWriter& archive, FileIndex& after) {
  FileTree tree;
  for (const auto& directory : scratch) {
    STASIS_TRY(save_tree(directory.fd.get(), directory.path, mapped, before, archive, after, tree));
  }
  return tree;
}

Result<FileIndex> restore_scratch(const std::vector<ScratchDirectory>& scratch, pid_t init, int images,
                                  const FileTree& tree) {
  const UniqueFd answer(::memfd_create("stasis-scratch", MFD_CLOEXEC));
  if (!answer) return fail(errno_error("memfd_create", errno));
  STASIS_LET(const int code, in_child_of_cgroups(init, answer.get(), [&]() -> Result<std::string> {
               FileIndex after;
               for (const auto& directory : scratch) {
                 STASIS_TRY(restore_tree(tree, directory.fd.get(), directory.path, images, after));
               }
               return write_file_index(after);
             }));
  const std::string file = "/proc/self/fd/" + std::to_string(answer.get());
  STASIS_LET(const std::string said, read_file(file, 1 << 30));
  if (code == kDone) return read_file_index(said);
  return fail(ErrorKind::failed, "private /tmp, /dev/shm and $TMPDIR cannot be put back: " + said);
}

}  // namespace stasis
