// SPDX-License-Identifier: Apache-2.0
#include "daemon/space.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/log.h"

namespace stasis {
namespace {

// What images have besides pages.
constexpr std::uint64_t kOverhead = 1 << 20;

Result<void> fits(const char* where, std::uint64_t needed, std::uint64_t there) {
  if (needed <= there) return {};
  return fail(ErrorKind::no_space, std::string(where) + ": about " + format_size(needed) + " are needed and " +
                                       format_size(there) + " are free");
}

}  // namespace

Result<void> check_space(const SpaceNeeds& needs, const SpaceLeft& left) {
  const std::uint64_t local = needs.memory + needs.files + kOverhead;
  STASIS_TRY(fits("node-local directory", local, left.local));
  if (left.local_limit != 0) {
    const std::uint64_t free = left.local_limit - std::min(left.local_limit, left.local_used);
    STASIS_TRY(fits("local_limit", local, free));
  }
  return fits("store", static_cast<std::uint64_t>(static_cast<double>(local) * needs.ratio), left.store);
}

std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  namespace fs = std::filesystem;
  for (fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    struct stat status {};
    if (::lstat(at->path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace stasis
