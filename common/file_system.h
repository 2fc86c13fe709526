// SPDX-License-Identifier: Apache-2.0
// file_system.h - all that the checkpoint store asks of the storage it is on, behind an interface, so that tests can
// make every single operation fail and cut the power after it.
//
// Paths are absolute. No symbolic link is followed at a path's last component. Thread-safe. Any call may block for as
// long as a file system does that has gone away.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_identity.h"
#include "common/result.h"

namespace stasis {

// A new file being written from its beginning. Destroyed unsynced, its contents are nobody's promise.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual Result<void> append(const void* data, std::size_t size) = 0;
  // What has been appended outlives a power cut. The name of the file is its directory's business.
  virtual Result<void> sync() = 0;
};

class InputFile {
 public:
  virtual ~InputFile() = default;
  virtual std::uint64_t size() const = 0;
  // Fewer bytes than asked for: the end of the file. Thread-safe.
  virtual Result<std::size_t> read(std::uint64_t offset, void* data, std::size_t size) const = 0;
};

struct DirectoryFacts {
  uid_t uid = 0;
  gid_t gid = 0;
  std::chrono::seconds age{0};  // since something in it last changed
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // True: made, with exactly that mode; false: there was one already. One that is newly made is not durable before its
  // parent is synced.
  virtual Result<bool> make_directory(const std::string& path, mode_t mode) = 0;
  virtual Result<void> set_mode(const std::string& path, mode_t mode) = 0;
  // Names, sorted; a directory that is not there has none.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // nullopt: no such directory.
  virtual Result<std::optional<DirectoryFacts>> directory_facts(const std::string& path) = 0;
  // Everything done to the names in it outlives a power cut.
  virtual Result<void> sync_directory(const std::string& path) = 0;

  // The file must not exist yet. Mode 0600.
  virtual Result<std::unique_ptr<OutputFile>> create(const std::string& path) = 0;
  // corrupt: no regular file.
  virtual Result<std::unique_ptr<InputFile>> open(const std::string& path) = 0;
  // `to` must not exist, or be an empty directory.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  // The file, or the directory with all that is in it; what is not there is removed already.
  virtual Result<void> remove(const std::string& path) = 0;

  // Bytes that may still be written there.
  virtual Result<std::uint64_t> free_space(const std::string& path) = 0;

  // Whose rights count here.
  virtual uid_t uid() const = 0;
  // The same storage with that user's rights, for one that denies root. Lives no longer than this.
  virtual std::unique_ptr<FileSystem> acting_as(uid_t uid, gid_t gid) = 0;
};

// The real one.
std::unique_ptr<FileSystem> make_posix_file_system();
// With no more than that user's rights.
std::unique_ptr<FileSystem> make_posix_file_system(const FileIdentity& user);

// The whole of a file of at most `limit` bytes. corrupt: it is larger.
Result<std::string> read_all(FileSystem& files, const std::string& path, std::size_t limit);

// Makes the hidden directory `hidden`, complete and with its files synced, appear as `target`, durably: the only way
// anything in the store becomes visible. On failure it is not visible.
Result<void> publish_directory(FileSystem& files, const std::string& hidden, const std::string& target);

// Everything before the last '/'.
std::string parent_of(const std::string& path);

}  // namespace stasis
