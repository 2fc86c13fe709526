// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_store.h"

#include <grp.h>
#include <pwd.h>

#include <vector>

#include "common/file_system.h"

namespace stasis {
namespace {

// Every group that counts when the user opens a file; just `gid` for one whom nobody knows here.
FileIdentity identity_of(uid_t uid, gid_t gid) {
  FileIdentity identity{uid, gid, {}};
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> text(std::size_t{1} << 16);
  if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return identity;
  int count = 64;
  identity.groups.resize(static_cast<std::size_t>(count));
  while (::getgrouplist(found->pw_name, gid, identity.groups.data(), &count) < 0) {
    identity.groups.resize(static_cast<std::size_t>(count));
  }
  identity.groups.resize(static_cast<std::size_t>(count));
  return identity;
}

}  // namespace

CheckpointStore store_of(const Run& run, const CheckpointStore& site) {
  const auto& wish = run.facts.request.dir;
  if (!wish || !wish->starts_with('/')) return site;
  return site.at_users(*wish, identity_of(run.facts.uid, run.facts.gid));
}

}  // namespace stasis
