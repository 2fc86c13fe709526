// SPDX-License-Identifier: Apache-2.0
#include "memory_file_system.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace stasis::test {
namespace {

constexpr uid_t kNobody = 65534;

std::string last_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

class MemoryFileSystem::Output : public OutputFile {
 public:
  Output(MemoryFileSystem files, NodePtr node) : files_(std::move(files)), node_(std::move(node)) {}

  Result<void> append(const void* data, std::size_t size) override {
    if (size == 0) return {};
    auto stepped = files_.step("write");
    // A disk that is full takes the first half.
    if (!stepped) size /= 2;
    if (!files_.faults_->dark) node_->data.append(static_cast<const char*>(data), size);
    return stepped;
  }
  Result<void> sync() override {
    STASIS_TRY(files_.step("fsync"));
    if (!files_.faults_->dark) node_->synced_data = node_->data;
    return {};
  }

 private:
  MemoryFileSystem files_;
  NodePtr node_;
};

class MemoryFileSystem::Input : public InputFile {
 public:
  Input(MemoryFileSystem files, NodePtr node) : files_(std::move(files)), node_(std::move(node)) {}

  std::uint64_t size() const override { return node_->data.size(); }
  Result<std::size_t> read(std::uint64_t offset, void* data, std::size_t size) const override {
    STASIS_TRY(MemoryFileSystem(files_).step("read"));
    if (offset >= node_->data.size()) return std::size_t{0};
    return node_->data.copy(static_cast<char*>(data), size, offset);
  }

 private:
  MemoryFileSystem files_;
  NodePtr node_;
};

MemoryFileSystem::MemoryFileSystem()
    : root_(std::make_shared<Node>()),
      operations_(std::make_shared<int>(0)),
      faults_(std::make_shared<Faults>()),
      squashes_(std::make_shared<bool>(false)),
      free_(std::make_shared<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())) {
  root_->directory = true;
  root_->mode = 0755;
}

void MemoryFileSystem::fail_at(int operation, ErrorKind kind) {
  *operations_ = 0;
  *faults_ = {operation, operation, kind, 0, false};
}

void MemoryFileSystem::fail_from(int operation, ErrorKind kind) {
  *operations_ = 0;
  *faults_ = {operation, std::numeric_limits<int>::max(), kind, 0, false};
}

void MemoryFileSystem::heal() {
  *operations_ = 0;
  *faults_ = {};
}

void MemoryFileSystem::cut_power_after(int operation) {
  *operations_ = 0;
  *faults_ = {0, 0, ErrorKind::failed, operation, operation == 0};
}

void MemoryFileSystem::power_back(Loss loss, unsigned seed) {
  std::minstd_rand random(seed + 1);
  heal();
  lose(*root_, loss, random);
}

void MemoryFileSystem::lose(Node& node, Loss loss, std::minstd_rand& random) {
  const auto lost = [&] { return loss == Loss::everything_unsynced || random() % 2 == 0; };
  if (!node.directory) {
    if (lost()) node.data = node.synced_data;
    node.synced_data = node.data;
    return;
  }
  std::set<std::string> all;
  for (const auto& [name, child] : node.names) all.insert(name);
  for (const auto& [name, child] : node.synced_names) all.insert(name);
  auto after = node.names;
  // A rename is one step: both of its names are lost, or none.
  std::map<const Node*, bool> decided;
  for (const auto& name : all) {
    const auto now = node.names.find(name);
    const auto then = node.synced_names.find(name);
    if (now != node.names.end() && then != node.synced_names.end() && now->second == then->second) continue;
    const Node* const what = now != node.names.end() ? now->second.get() : then->second.get();
    if (decided.count(what) == 0) decided[what] = lost();
    if (!decided[what]) continue;
    if (then == node.synced_names.end()) {
      after.erase(name);
    } else {
      after[name] = then->second;
    }
  }
  node.names = node.synced_names = after;
  for (const auto& [name, child] : node.names) lose(*child, loss, random);
}

Result<void> MemoryFileSystem::step(const char* what) {
  const int now = ++*operations_;
  if (faults_->dark || (faults_->power_until > 0 && now > faults_->power_until)) {
    faults_->dark = true;
    return fail(ErrorKind::failed, std::string(what) + ": the power is off");
  }
  if (faults_->fail_first > 0 && now >= faults_->fail_first && now <= faults_->fail_last) {
    return fail(faults_->kind, std::string(what) + ": made to fail");
  }
  return {};
}

MemoryFileSystem::NodePtr MemoryFileSystem::find(const std::string& path) const {
  NodePtr node = root_;
  for (std::size_t at = 1; at < path.size() && node;) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto found = node->names.find(path.substr(at, end - at));
    node = found == node->names.end() ? nullptr : found->second;
    at = end + 1;
  }
  return node;
}

MemoryFileSystem::NodePtr MemoryFileSystem::parent(const std::string& path) const { return find(parent_of(path)); }

bool MemoryFileSystem::may_write(const Node& directory) const {
  if (uid_ == 0 && !*squashes_) return true;
  if (uid_ != 0 && directory.uid == uid_) return true;
  if (uid_ == 0 && directory.uid == kNobody) return true;
  return (directory.mode & 0002) != 0;
}

std::string& MemoryFileSystem::contents(const std::string& path) {
  const auto node = find(path);
  if (!node || node->directory) throw std::runtime_error("no file " + path);
  return node->data;
}

void MemoryFileSystem::add_file(const std::string& path, const std::string& contents) {
  auto node = std::make_shared<Node>();
  node->data = node->synced_data = contents;
  const auto directory = parent(path);
  directory->names[last_of(path)] = directory->synced_names[last_of(path)] = node;
}

void MemoryFileSystem::collect(const Node& node, const std::string& path, bool directories,
                               std::vector<std::string>& found) {
  if (!path.empty() && (directories || !node.directory)) found.push_back(path);
  for (const auto& [name, child] : node.names) collect(*child, path + "/" + name, directories, found);
}

std::vector<std::string> MemoryFileSystem::all_files() const {
  std::vector<std::string> found;
  collect(*root_, "", false, found);
  return found;
}

std::vector<std::string> MemoryFileSystem::everything() const {
  std::vector<std::string> found;
  collect(*root_, "", true, found);
  return found;
}

Result<bool> MemoryFileSystem::make_directory(const std::string& path, mode_t mode) {
  STASIS_TRY(step("mkdir"));
  const auto directory = parent(path);
  if (!directory) return fail(ErrorKind::not_found, "mkdir " + path);
  if (find(path)) return false;
  if (!may_write(*directory)) return fail(ErrorKind::denied, "mkdir " + path);
  auto node = std::make_shared<Node>();
  node->directory = true;
  node->uid = uid_ == 0 && *squashes_ ? kNobody : uid_;
  node->mode = mode;
  directory->names[last_of(path)] = node;
  return true;
}

Result<void> MemoryFileSystem::set_mode(const std::string& path, mode_t mode) {
  STASIS_TRY(step("chmod"));
  const auto node = find(path);
  if (!node) return fail(ErrorKind::not_found, "chmod " + path);
  if (node->uid != (uid_ == 0 && *squashes_ ? kNobody : uid_)) return fail(ErrorKind::denied, "chmod " + path);
  node->mode = mode;
  return {};
}

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& path) {
  STASIS_TRY(step("list"));
  const auto node = find(path);
  std::vector<std::string> names;
  if (!node) return names;
  if (!node->directory) return fail(ErrorKind::failed, "list " + path);
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

Result<std::optional<DirectoryFacts>> MemoryFileSystem::directory_facts(const std::string& path) {
  STASIS_TRY(step("stat"));
  const auto node = find(path);
  if (!node) return std::optional<DirectoryFacts>();
  return std::optional<DirectoryFacts>({node->uid, node->uid, std::chrono::seconds(0)});
}

Result<void> MemoryFileSystem::sync_directory(const std::string& path) {
  STASIS_TRY(step("fsync directory"));
  const auto node = find(path);
  if (!node) return fail(ErrorKind::not_found, "fsync " + path);
  node->synced_names = node->names;
  return {};
}

Result<std::unique_ptr<OutputFile>> MemoryFileSystem::create(const std::string& path) {
  STASIS_TRY(step("create"));
  const auto directory = parent(path);
  if (!directory) return fail(ErrorKind::not_found, "create " + path);
  if (find(path)) return fail(ErrorKind::failed, "create " + path + ": exists");
  if (!may_write(*directory)) return fail(ErrorKind::denied, "create " + path);
  auto node = std::make_shared<Node>();
  node->uid = uid_;
  directory->names[last_of(path)] = node;
  return std::unique_ptr<OutputFile>(std::make_unique<Output>(*this, node));
}

Result<std::unique_ptr<InputFile>> MemoryFileSystem::open(const std::string& path) {
  STASIS_TRY(step("open"));
  const auto node = find(path);
  if (!node) return fail(ErrorKind::not_found, "open " + path);
  if (node->directory) return fail(ErrorKind::corrupt, path + " is no regular file");
  return std::unique_ptr<InputFile>(std::make_unique<Input>(*this, node));
}

Result<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  STASIS_TRY(step("rename"));
  const auto node = find(from);
  if (!node) return fail(ErrorKind::not_found, "rename " + from);
  if (const auto there = find(to); there && !there->names.empty()) return fail(ErrorKind::failed, "rename: not empty");
  if (!may_write(*parent(from)) || !may_write(*parent(to))) return fail(ErrorKind::denied, "rename " + from);
  parent(from)->names.erase(last_of(from));
  parent(to)->names[last_of(to)] = node;
  return {};
}

Result<void> MemoryFileSystem::remove_below(Node& directory, const std::string& name) {
  const NodePtr node = directory.names.at(name);
  while (!node->names.empty()) STASIS_TRY(remove_below(*node, node->names.begin()->first));
  STASIS_TRY(step("remove"));
  directory.names.erase(name);
  return {};
}

Result<void> MemoryFileSystem::remove(const std::string& path) {
  STASIS_TRY(step("remove"));
  if (!find(path)) return {};
  const Node& directory = *parent(path);
  // In a sticky directory only what is one's own.
  const uid_t self = uid_ == 0 && *squashes_ ? kNobody : uid_;
  const bool others = (directory.mode & 01000) != 0 && self != 0 && find(path)->uid != self && directory.uid != self;
  if (!may_write(directory) || others) return fail(ErrorKind::denied, "remove " + path);
  return remove_below(*parent(path), last_of(path));
}

Result<std::uint64_t> MemoryFileSystem::free_space(const std::string&) {
  STASIS_TRY(step("statvfs"));
  return *free_;
}

std::unique_ptr<FileSystem> MemoryFileSystem::acting_as(uid_t uid, gid_t) {
  auto other = std::make_unique<MemoryFileSystem>(*this);
  other->uid_ = uid;
  return other;
}

}  // namespace stasis::test
