// SPDX-License-Identifier: Apache-2.0
// file_identity.h - opens a user's files as that user, from a process that is root otherwise.
//
// Root's own rights would follow a user's symbolic links into places that are not the user's, and count for nothing on
// a file system that squashes root.
#pragma once

#include <sys/types.h>

#include <vector>

namespace stasis {

struct FileIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// While it lives, the calling thread has the file system rights of that user and no more; other threads keep theirs,
// and everything is as it was afterwards. For whoever is not root it does nothing.
class ActingAs {
 public:
  explicit ActingAs(const FileIdentity& identity);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

 private:
  uid_t uid_;
  gid_t gid_;
  std::vector<gid_t> groups_;
};

}  // namespace stasis
