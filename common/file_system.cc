// SPDX-License-Identifier: Apache-2.0
#include "common/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "common/file_identity.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

class PosixOutput : public OutputFile {
 public:
  PosixOutput(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> append(const void* data, std::size_t size) override {
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(fd_.get(), at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail(errno_error("write " + path_, errno));
      at += written;
      size -= static_cast<std::size_t>(written);
    }
    return {};
  }

  Result<void> sync() override {
    if (::fsync(fd_.get()) != 0) return fail(errno_error("fsync " + path_, errno));
    return {};
  }

 private:
  UniqueFd fd_;
  std::string path_;
};

class PosixInput : public InputFile {
 public:
  PosixInput(UniqueFd fd, std::uint64_t size, std::string path)
      : fd_(std::move(fd)), size_(size), path_(std::move(path)) {}

  std::uint64_t size() const override { return size_; }

  Result<std::size_t> read(std::uint64_t offset, void* data, std::size_t size) const override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(fd_.get(), static_cast<char*>(data) + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail(errno_error("read " + path_, errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  UniqueFd fd_;
  std::uint64_t size_;
  std::string path_;
};

class PosixFileSystem : public FileSystem {
 public:
  explicit PosixFileSystem(std::optional<FileIdentity> user = {}) : user_(std::move(user)) {}

  Result<bool> make_directory(const std::string& path, mode_t mode) override {
    const auto acting = act();
    if (::mkdir(path.c_str(), mode & 0700) == 0) {
      // Not through mkdir: the umask would have its say.
      if ((mode & 07077) != 0 && ::chmod(path.c_str(), mode) != 0) return fail(errno_error("chmod " + path, errno));
      return true;
    }
    if (errno == EEXIST) return false;
    return fail(errno_error("mkdir " + path, errno));
  }

  Result<void> set_mode(const std::string& path, mode_t mode) override {
    const auto acting = act();
    if (::chmod(path.c_str(), mode) != 0) return fail(errno_error("chmod " + path, errno));
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    const auto acting = act();
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return std::vector<std::string>();
    DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
    if (directory == nullptr) return fail(errno_error("list " + path, errno));
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return fail(errno_error("list " + path, error));
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::optional<DirectoryFacts>> directory_facts(const std::string& path) override {
    const auto acting = act();
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return std::optional<DirectoryFacts>();
      return fail(errno_error("stat " + path, errno));
    }
    if (!S_ISDIR(status.st_mode)) return fail(ErrorKind::corrupt, path + " is no directory");
    const std::time_t age = std::max<std::time_t>(0, std::time(nullptr) - status.st_mtim.tv_sec);
    return std::optional<DirectoryFacts>({status.st_uid, status.st_gid, std::chrono::seconds(age)});
  }

  Result<void> sync_directory(const std::string& path) override {
    const auto acting = act();
    const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return fail(errno_error("open " + path, errno));
    if (::fsync(directory.get()) != 0) return fail(errno_error("fsync " + path, errno));
    return {};
  }

  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override {
    const auto acting = act();
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return fail(errno_error("create " + path, errno));
    return std::make_unique<PosixOutput>(std::move(fd), path);
  }

  Result<std::unique_ptr<InputFile>> open(const std::string& path) override {
    const auto acting = act();
    // Not blocking: a FIFO in the place of a file must not hold anybody up.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd && errno == ELOOP) return fail(ErrorKind::corrupt, path + " is no regular file");
    if (!fd) return fail(errno_error("open " + path, errno));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail(errno_error("stat " + path, errno));
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::corrupt, path + " is no regular file");
    return std::make_unique<PosixInput>(std::move(fd), static_cast<std::uint64_t>(status.st_size), path);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    const auto acting = act();
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return fail(errno_error("rename " + from + " to " + to, errno));
  }

  Result<void> remove(const std::string& path) override {
    const auto acting = act();
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return fail(errno_error("remove " + path, error.value()));
    return {};
  }

  Result<std::uint64_t> free_space(const std::string& path) override {
    const auto acting = act();
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) return fail(errno_error("statvfs " + path, errno));
    return std::uint64_t{status.f_bavail} * status.f_frsize;
  }

  uid_t uid() const override { return user_ ? user_->uid : ::geteuid(); }

  std::unique_ptr<FileSystem> acting_as(uid_t uid, gid_t gid) override {
    return std::make_unique<PosixFileSystem>(FileIdentity{uid, gid, {}});
  }

 private:
  // Only for finding and opening: what is open is read and written with the rights it was opened with.
  std::unique_ptr<ActingAs> act() const { return user_ ? std::make_unique<ActingAs>(*user_) : nullptr; }

  std::optional<FileIdentity> user_;
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }
std::unique_ptr<FileSystem> make_posix_file_system(const FileIdentity& user) {
  return std::make_unique<PosixFileSystem>(user);
}

Result<std::string> read_all(FileSystem& files, const std::string& path, std::size_t limit) {
  STASIS_LET(const auto file, files.open(path));
  if (file->size() > limit)
    return fail(ErrorKind::corrupt, path + " is larger than " + std::to_string(limit) + " bytes");
  std::string text(file->size(), '\0');
  STASIS_LET(const std::size_t got, file->read(0, text.data(), text.size()));
  text.resize(got);
  return text;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

Result<void> publish_directory(FileSystem& files, const std::string& hidden, const std::string& target) {
  STASIS_TRY(files.sync_directory(hidden));
  STASIS_TRY(files.rename(hidden, target));
  auto durable = files.sync_directory(parent_of(target));
  // Visible now, yet nobody knows whether it would survive: back out of sight.
  if (!durable) (void)files.rename(target, hidden);
  return durable;
}

}  // namespace stasis
