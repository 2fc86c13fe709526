// SPDX-License-Identifier: Apache-2.0
// page_index.h - where the pages of a job's memory are in its published checkpoints, by what is in them, so that a page
// that is stored already is not stored again.
//
// A file on the node's own disk, mapped: it takes no memory that cannot be taken back, and needs no reading. It is
// worth nothing without the generation it belongs to, and is made anew when it is damaged or of another.
//
// Two pages are taken for the same when their 128-bit hashes are, which nobody can compare or foretell: the hash is
// keyed with a secret of this file's own. docs/formats/pages.md says why that is enough.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/memory_range.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

struct PageHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const PageHash&, const PageHash&) = default;
};

// A page in the page file that came with a generation.
struct PagePlace {
  std::uint32_t generation = 0;
  std::uint32_t page = 0;
  friend bool operator==(const PagePlace&, const PagePlace&) = default;
};

// How much of a page file the newest generation uses.
struct PageFileUse {
  std::uint32_t pages = 0;
  std::uint32_t used = 0;
};

// Tells pages apart. As good as the index it is of, in whichever thread.
class PageHasher {
 public:
  PageHash operator()(const char* page) const;

 private:
  friend class PageIndex;
  std::array<std::uint8_t, 192> secret_{};
};

class PageIndex {
 public:
  // The index at `path`, if it belongs to the generation `identity` (identity_of(); empty: none), else an empty one
  // in its place. `pages`: how many more it should be made for.
  static Result<PageIndex> open(const std::string& path, const std::string& identity, std::uint64_t pages);
  PageIndex(PageIndex&& other) noexcept;
  PageIndex& operator=(PageIndex&&) = delete;
  ~PageIndex();

  PageHash hash(const char* page) const { return hasher_(page); }
  const PageHasher& hasher() const { return hasher_; }
  // It will be looked for soon. The index is larger than any cache.
  void prefetch(const PageHash& hash) const;
  std::optional<PagePlace> find(const PageHash& hash) const;
  // Grows the file when it has to. What is added counts for others only after keep().
  Result<void> add(const PageHash& hash, PagePlace place);

  // The page files there are, by generation.
  const std::map<std::uint32_t, PageFileUse>& files() const { return files_; }
  // Its pages are not found any more.
  void forget(std::uint32_t generation);
  // From now on it belongs to that generation, with these page files.
  Result<void> keep(const std::string& identity, const std::map<std::uint32_t, PageFileUse>& files);

 private:
  struct Header;
  struct Slot;
  PageIndex(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}
  static Result<PageIndex> make(const std::string& path, std::uint64_t slots);
  Result<void> map();
  bool load(const std::string& identity);
  std::uint16_t batch_of(std::uint32_t generation);
  Result<void> grow(std::uint64_t slots);
  void insert(const Slot& slot);

  std::string path_;
  UniqueFd file_;
  PageHasher hasher_;
  void* memory_ = nullptr;
  std::size_t size_ = 0;
  std::map<std::uint32_t, PageFileUse> files_;
  std::array<std::uint32_t, 256> generations_{};  // by batch; 0: its pages are nobody's
  std::uint16_t batches_ = 1;
  std::uint64_t used_ = 0;
};

}  // namespace stasis
