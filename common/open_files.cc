// SPDX-License-Identifier: Apache-2.0
#include "common/open_files.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "common/read_file.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::string_view kDeleted = " (deleted)";
// What criu calls the names that it gives to files that lost theirs.
constexpr std::string_view kRemap = "link_remap.";
constexpr std::string_view kRemovedOnNfs = "/.nfs";

bool is_denied(int error) { return error == EACCES || error == EPERM; }

// 0, or what stood in the way. A file system may take root for nobody, who may not even look.
int look(const std::string& link, struct stat& status, const FileIdentity& user) {
  if (::stat(link.c_str(), &status) == 0) return 0;
  if (!is_denied(errno)) return errno;
  const ActingAs acting(user);
  return ::stat(link.c_str(), &status) == 0 ? 0 : errno;
}

struct Found {
  explicit Found(const FileIdentity& whose) : user(whose) {}

  const FileIdentity& user;
  std::map<std::string, OpenFile> files;
  // Over all names of one file.
  std::map<FileId, std::pair<Writing, bool>> use;
  std::string hidden;  // one that nobody lets us look at

  // False, too, for one that has just been closed.
  bool is_named_file(const std::string& link, struct stat& status) {
    const int error = look(link, status, user);
    if (is_denied(error)) hidden = link;
    return error == 0 && S_ISREG(status.st_mode) && status.st_nlink > 0;
  }

  void add(const std::string& process, const std::string& path, const std::string& link, const struct stat& status,
           Writing writing, bool mapped) {
    auto& [most, any_mapped] = use[id_of(status)];
    most = std::max(most, writing);
    any_mapped |= mapped;
    files.emplace(path, OpenFile{path, link, process + "/root", status, writing, mapped});
  }
};

// How a descriptor can write, from its line in fdinfo.
Writing writing_of(const std::string& process, const std::string& number) {
  const std::string info = process + "/fdinfo/" + number;
  const UniqueFd file(::open(info.c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  const ssize_t size = file ? ::read(file.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return Writing::none;
  text[size] = '\0';
  const char* flags = std::strstr(text, "flags:\t");
  if (flags == nullptr) return Writing::none;
  const long value = std::strtol(flags + 7, nullptr, 8);
  if ((value & O_ACCMODE) == O_RDONLY || (value & O_PATH) != 0) return Writing::none;
  return (value & O_APPEND) != 0 ? Writing::append : Writing::in_place;
}

std::string read_link(const std::string& link) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : "";
}

// The name in that directory that a criu dump under way has given the file. Empty: none.
std::string remap_in(const std::string& directory, const struct stat& status, std::error_code& error) {
  struct stat named {};
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename();
    if (!name.starts_with(kRemap)) continue;
    if (::lstat(at->path().c_str(), &named) == 0 && id_of(named) == id_of(status)) return name;
  }
  return "";
}

// Its whole path, in the process's file system.
std::string remap_of(const std::string& process, const std::string& directory, const struct stat& status,
                     const FileIdentity& user) {
  std::error_code error;
  const std::string outside = process + "/root" + directory + "/";
  std::string name = remap_in(outside, status, error);
  if (error == std::errc::permission_denied) {
    // A file server may take root for nobody.
    const ActingAs acting(user);
    name = remap_in(outside, status, error);
  }
  return name.empty() ? "" : directory + "/" + name;
}

// The path criu will look for. Empty: there is none.
std::string path_for_criu(const std::string& process, const std::string& target, const struct stat& status,
                          const FileIdentity& user) {
  if (target.empty() || target.front() != '/') return "";
  const std::string directory = target.substr(0, target.rfind('/'));
  // Its client keeps a file that is removed while it is open below such a name, and removes it when it is closed.
  if (target.substr(directory.size()).starts_with(kRemovedOnNfs)) {
    const std::string remap = remap_of(process, directory, status, user);
    return remap.empty() ? target : remap;
  }
  if (!target.ends_with(kDeleted)) return target;
  struct stat named {};
  // A file may really be called so.
  if (::lstat((process + "/root" + target).c_str(), &named) == 0 && id_of(named) == id_of(status)) return target;
  return remap_of(process, directory, status, user);
}

void find_descriptors(const std::string& process, Found& found) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(process + "/fd", error), end; !error && at != end; at.increment(error)) {
    const std::string link = at->path();
    struct stat status {};
    if (!found.is_named_file(link, status)) continue;
    const std::string path = path_for_criu(process, read_link(link), status, found.user);
    if (!path.empty()) found.add(process, path, link, status, writing_of(process, at->path().filename()), false);
  }
}

// 7f0000000000-7f0000001000 rw-s 00000000 fe:00 1234    /home/alice/data
void find_mappings(const std::string& process, Found& found) {
  const auto maps = read_file(process + "/maps", 256 << 20);
  if (!maps) return;
  for (std::size_t at = 0; at < maps->size();) {
    const auto end = std::min(maps->find('\n', at), maps->size());
    const std::string line = maps->substr(at, end - at);
    at = end + 1;
    char range[64];
    char rights[8];
    if (std::sscanf(line.c_str(), "%63s %7s", range, rights) != 2 || rights[1] != 'w' || rights[3] != 's') continue;
    const auto slash = line.find('/');
    if (slash == std::string::npos) continue;
    struct stat status {};
    const std::string link = process + "/map_files/" + range;
    if (!found.is_named_file(link, status)) continue;
    const std::string path = path_for_criu(process, read_link(link), status, found.user);
    if (!path.empty()) found.add(process, path, link, status, Writing::in_place, true);
  }
}

}  // namespace

const char* to_string(Writing writing) noexcept {
  switch (writing) {
    case Writing::none:
      return "none";
    case Writing::append:
      return "append";
    case Writing::in_place:
      return "in_place";
  }
  return "in_place";
}

Result<std::vector<OpenFile>> open_files(const std::vector<CapsuleProcess>& tree, const FileIdentity& user) {
  Found found(user);
  for (const auto& process : tree) {
    const std::string directory = "/proc/" + std::to_string(process.host);
    find_descriptors(directory, found);
    find_mappings(directory, found);
  }
  if (!found.hidden.empty()) {
    return fail(ErrorKind::denied,
                "neither root nor the job's user may look at the open file " + read_link(found.hidden));
  }
  std::vector<OpenFile> files;
  for (auto& [path, file] : found.files) {
    std::tie(file.writing, file.mapped) = found.use[id_of(file.status)];
    files.push_back(std::move(file));
  }
  return files;
}

std::set<FileId> mapped_of(const std::vector<OpenFile>& files) {
  std::set<FileId> mapped;
  for (const auto& file : files) {
    if (file.mapped) mapped.insert(id_of(file.status));
  }
  return mapped;
}

}  // namespace stasis
