// SPDX-License-Identifier: Apache-2.0
#include "common/page_index.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/sha256.h"

namespace stasis {

// Only ever read by the program that wrote it, or one of the same version: an index of any other is made anew.
struct PageIndex::Header {
  std::uint64_t format;
  std::uint64_t slots;
  std::uint64_t used;
  char belongs_to[64];  // SHA-256 of the identity, in hex; zeros: to none
  std::uint8_t secret[192];
  std::uint32_t batches;
  struct {
    std::uint32_t generation, pages, used;
  } batch[256];
};

// Pages are known by the batch they came in, so that all those of one can be forgotten at once.
struct PageIndex::Slot {
  PageHash hash;
  std::uint32_t batch;  // 0: empty
  std::uint32_t page;
};

namespace {

constexpr std::uint64_t kFormat = 0x5354415349583031;
constexpr std::size_t kHeaderSize = 8192;
constexpr std::uint64_t kFewestSlots = 4096;
// Fuller, and looking for what is not there takes long.
constexpr std::uint64_t slots_for(std::uint64_t pages) { return std::bit_ceil(std::max(kFewestSlots, pages * 3 / 2)); }

}  // namespace

PageIndex::PageIndex(PageIndex&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      hasher_(other.hasher_),
      memory_(std::exchange(other.memory_, nullptr)),
      size_(other.size_),
      files_(std::move(other.files_)),
      generations_(other.generations_),
      batches_(other.batches_),
      used_(other.used_) {}

PageIndex::~PageIndex() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

Result<void> PageIndex::map() {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) return fail(errno_error("stat " + path_, errno));
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ < kHeaderSize) return fail(ErrorKind::corrupt, path_ + " is too short");
  memory_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (memory_ != MAP_FAILED) return {};
  memory_ = nullptr;
  return fail(errno_error("map " + path_, errno));
}

Result<PageIndex> PageIndex::make(const std::string& path, std::uint64_t slots) {
  // A new file each time: a worker that was killed may leave another half changed.
  ::unlink(path.c_str());
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create " + path, errno));
  const auto size = static_cast<off_t>(kHeaderSize + slots * sizeof(Slot));
  // All of it now: a write to a page that finds no block on the disk would be a SIGBUS later.
  if (const int error = ::posix_fallocate(file.get(), 0, size); error != 0) {
    ::unlink(path.c_str());
    return fail(errno_error("allocate " + path, error));
  }
  PageIndex index(path, std::move(file));
  STASIS_TRY(index.map());
  auto* const header = static_cast<Header*>(index.memory_);
  header->slots = slots;
  header->batches = 1;
  if (::getrandom(header->secret, sizeof header->secret, 0) != sizeof header->secret) {
    return fail(errno_error("getrandom", errno));
  }
  std::memcpy(index.hasher_.secret_.data(), header->secret, sizeof header->secret);
  header->format = kFormat;
  return index;
}

bool PageIndex::load(const std::string& identity) {
  const auto* const header = static_cast<const Header*>(memory_);
  if (header->format != kFormat || !std::has_single_bit(header->slots) || header->used > header->slots ||
      size_ != kHeaderSize + header->slots * sizeof(Slot) || header->batches == 0 ||
      header->batches > generations_.size()) {
    return false;
  }
  const std::string belongs_to(header->belongs_to, sizeof header->belongs_to);
  if (identity.empty() || belongs_to != sha256_hex(identity)) return false;
  std::memcpy(hasher_.secret_.data(), header->secret, sizeof header->secret);
  used_ = header->used;
  batches_ = static_cast<std::uint16_t>(header->batches);
  for (std::size_t i = 1; i < batches_; ++i) {
    const auto& batch = header->batch[i];
    generations_[i] = batch.generation;
    if (batch.generation != 0) files_[batch.generation] = {batch.pages, batch.used};
  }
  return true;
}

Result<PageIndex> PageIndex::open(const std::string& path, const std::string& identity, std::uint64_t pages) {
  if (UniqueFd file{::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC)}) {
    PageIndex index(path, std::move(file));
    if (index.map() && index.load(identity)) {
      const std::uint64_t slots = static_cast<const Header*>(index.memory_)->slots;
      // With room for no more batches the old ones are sorted out.
      const bool full = index.batches_ + 2U > index.generations_.size();
      if (full || index.used_ + pages > slots * 3 / 4) STASIS_TRY(index.grow(slots_for(index.used_ + pages)));
      return index;
    }
  }
  return make(path, slots_for(pages));
}

PageHash PageHasher::operator()(const char* page) const {
  const XXH128_hash_t hash = XXH3_128bits_withSecret(page, kPageSize, secret_.data(), secret_.size());
  return {hash.low64, hash.high64};
}

void PageIndex::prefetch(const PageHash& hash) const {
  const auto* const header = static_cast<const Header*>(memory_);
  const auto* const slots = reinterpret_cast<const Slot*>(static_cast<const char*>(memory_) + kHeaderSize);
  __builtin_prefetch(&slots[hash.low & (header->slots - 1)]);
}

std::optional<PagePlace> PageIndex::find(const PageHash& hash) const {
  const auto* const header = static_cast<const Header*>(memory_);
  const auto* const slots = reinterpret_cast<const Slot*>(static_cast<const char*>(memory_) + kHeaderSize);
  const std::uint64_t mask = header->slots - 1;
  for (std::uint64_t at = hash.low & mask; slots[at].batch != 0; at = (at + 1) & mask) {
    if (slots[at].hash != hash) continue;
    const std::uint32_t batch = slots[at].batch;
    if (batch < generations_.size() && generations_[batch] != 0) return PagePlace{generations_[batch], slots[at].page};
  }
  return std::nullopt;
}

void PageIndex::insert(const Slot& slot) {
  auto* const header = static_cast<Header*>(memory_);
  auto* const slots = reinterpret_cast<Slot*>(static_cast<char*>(memory_) + kHeaderSize);
  const std::uint64_t mask = header->slots - 1;
  std::uint64_t at = slot.hash.low & mask;
  while (slots[at].batch != 0) at = (at + 1) & mask;
  slots[at] = slot;
  ++used_;
  header->used = used_;
}

std::uint16_t PageIndex::batch_of(std::uint32_t generation) {
  for (std::uint16_t batch = batches_; batch-- > 1;) {
    if (generations_[batch] == generation) return batch;
  }
  // Counted in the file at once and nobody's until keep(): what a worker leaves that is killed is never found again.
  auto* const header = static_cast<Header*>(memory_);
  header->batch[batches_] = {0, 0, 0};
  header->batches = batches_ + 1U;
  generations_[batches_] = generation;
  return batches_++;
}

Result<void> PageIndex::add(const PageHash& hash, PagePlace place) {
  const std::uint64_t slots = static_cast<const Header*>(memory_)->slots;
  if (used_ + 1 > slots * 7 / 8) STASIS_TRY(grow(slots * 2));
  const bool is_new = files_.try_emplace(place.generation).second;
  if (is_new && batches_ >= generations_.size()) return fail(ErrorKind::failed, "too many page files");
  insert({hash, batch_of(place.generation), place.page});
  return {};
}

void PageIndex::forget(std::uint32_t generation) {
  std::replace(generations_.begin(), generations_.end(), generation, std::uint32_t{0});
  files_.erase(generation);
}

// Only what can still be found comes along.
Result<void> PageIndex::grow(std::uint64_t slots) {
  STASIS_LET(PageIndex larger, make(path_, slots));
  const auto* const header = static_cast<const Header*>(memory_);
  auto* const its = static_cast<Header*>(larger.memory_);
  std::memcpy(its->secret, header->secret, sizeof header->secret);
  std::memcpy(its->belongs_to, header->belongs_to, sizeof header->belongs_to);
  const auto* const slot = reinterpret_cast<const Slot*>(static_cast<const char*>(memory_) + kHeaderSize);
  for (std::uint64_t at = 0; at < header->slots; ++at) {
    const std::uint32_t generation = slot[at].batch < generations_.size() ? generations_[slot[at].batch] : 0;
    if (slot[at].batch == 0 || generation == 0) continue;
    larger.insert({slot[at].hash, larger.batch_of(generation), slot[at].page});
  }
  // Those of the last keep() stay kept.
  for (std::uint32_t old = 1; old < header->batches; ++old) {
    if (header->batch[old].generation == 0) continue;
    for (std::uint16_t batch = 1; batch < larger.batches_; ++batch) {
      if (larger.generations_[batch] == header->batch[old].generation) its->batch[batch] = header->batch[old];
    }
  }
  std::swap(memory_, larger.memory_);
  std::swap(size_, larger.size_);
  std::swap(file_, larger.file_);
  generations_ = larger.generations_;
  batches_ = larger.batches_;
  used_ = larger.used_;
  return {};
}

Result<void> PageIndex::keep(const std::string& identity, const std::map<std::uint32_t, PageFileUse>& files) {
  auto* const header = static_cast<Header*>(memory_);
  for (std::uint16_t batch = 1; batch < batches_; ++batch) {
    const auto found = files.find(generations_[batch]);
    if (found == files.end()) {
      header->batch[batch] = {0, 0, 0};
      generations_[batch] = 0;
    } else {
      header->batch[batch] = {found->first, found->second.pages, found->second.used};
    }
  }
  const std::string belongs_to = sha256_hex(identity);
  std::memcpy(header->belongs_to, belongs_to.data(), sizeof header->belongs_to);
  files_ = files;
  return {};
}

}  // namespace stasis
