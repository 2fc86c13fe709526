// SPDX-License-Identifier: Apache-2.0
// memory_file_system.h - storage in memory that fails and loses power on demand.
//
//   MemoryFileSystem disk;
//   disk.fail_at(7, ErrorKind::no_space);   // the seventh operation from here on, and only that
//   disk.cut_power_after(7);                // from the eighth on nothing happens any more
//   disk.power_back(Loss::everything_unsynced);
//
// What a power cut leaves is what the rules of file systems promise and not a byte more: contents as of the file's last
// sync, names as of their directory's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/file_system.h"

namespace stasis::test {

enum class Loss {
  everything_unsynced,
  // Each name and each file on its own: a disk writes what it likes in the order it likes.
  some_of_the_unsynced,
};

class MemoryFileSystem : public FileSystem {
 public:
  MemoryFileSystem();

  void fail_at(int operation, ErrorKind kind);
  // Every operation from that one on, until heal(): a disk that is full, a server that is gone.
  void fail_from(int operation, ErrorKind kind);
  void heal();
  void cut_power_after(int operation);
  void power_back(Loss loss, unsigned seed = 0);
  // Operations since the last call of one of the above.
  int operations() const { return *operations_; }

  // Like a server that squashes root: root may write only where everybody may, and what it makes is nobody's.
  void squash_root() { *squashes_ = true; }
  void set_free_space(std::uint64_t bytes) { *free_ = bytes; }

  // For damage. Each must be there.
  std::string& contents(const std::string& path);
  void add_file(const std::string& path, const std::string& contents);
  std::vector<std::string> all_files() const;
  // Directories and files, every one of them.
  std::vector<std::string> everything() const;

  Result<bool> make_directory(const std::string& path, mode_t mode) override;
  Result<void> set_mode(const std::string& path, mode_t mode) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<std::optional<DirectoryFacts>> directory_facts(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;
  Result<std::unique_ptr<InputFile>> open(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<std::uint64_t> free_space(const std::string& path) override;
  uid_t uid() const override { return uid_; }
  std::unique_ptr<FileSystem> acting_as(uid_t uid, gid_t gid) override;

 private:
  struct Node {
    bool directory = false;
    uid_t uid = 0;
    mode_t mode = 0;
    std::string data, synced_data;                                     // a file's
    std::map<std::string, std::shared_ptr<Node>> names, synced_names;  // a directory's
  };
  using NodePtr = std::shared_ptr<Node>;
  class Output;
  class Input;
  struct Faults {
    int fail_first = 0, fail_last = 0;
    ErrorKind kind = ErrorKind::failed;
    int power_until = 0;
    bool dark = false;
  };

  Result<void> step(const char* what);
  NodePtr find(const std::string& path) const;
  NodePtr parent(const std::string& path) const;
  bool may_write(const Node& directory) const;
  Result<void> remove_below(Node& directory, const std::string& name);
  static void lose(Node& node, Loss loss, std::minstd_rand& random);
  static void collect(const Node& node, const std::string& path, bool directories, std::vector<std::string>& found);

  // Shared by all who act on this storage.
  NodePtr root_;
  std::shared_ptr<int> operations_;
  std::shared_ptr<Faults> faults_;
  std::shared_ptr<bool> squashes_;
  std::shared_ptr<std::uint64_t> free_;
  uid_t uid_ = 0;
};

}  // namespace stasis::test
