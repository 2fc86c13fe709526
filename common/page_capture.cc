// SPDX-License-Identifier: Apache-2.0
#include "common/page_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "common/full_io.h"

namespace stasis {
namespace {

// Written and read at once.
constexpr std::size_t kAsideBytes = 256 * kPageSize;

// As many as wait for their places in the index to come into the cache.
constexpr std::size_t kHashedAtOnce = 32;

}  // namespace

PageCapture::PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression,
                         PageSealer sealer)
    : index_(index), number_(number), writer_(std::move(create), compression, std::move(sealer)) {
  const std::vector<char> zeros(kPageSize);
  zeros_ = index_.hash(zeros.data());
}

template <class Take>
Result<void> PageCapture::find_places(const char* pages, std::size_t count, const Take& take) {
  std::array<PageHash, kHashedAtOnce> hashes;
  for (std::size_t done = 0; done < count; done += kHashedAtOnce) {
    const std::size_t now = std::min(count - done, kHashedAtOnce);
    for (std::size_t i = 0; i < now; ++i) {
      hashes[i] = index_.hash(pages + (done + i) * kPageSize);
      index_.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < now; ++i) {
      STASIS_LET(const PagePlace place, place_of(hashes[i], pages + (done + i) * kPageSize));
      take(place);
    }
  }
  return {};
}

Result<void> PageCapture::learn(const char* pages, std::size_t count, const TakePlace& take) {
  return find_places(pages, count, take);
}

PageImage& PageCapture::image_called(const std::string& name) {
  return images_.try_emplace(name, PageImage{name, {}}).first->second;
}

void PageCapture::add_known(const std::string& image, const PageRun& run) { image_called(image).add(run); }

Result<void> PageCapture::add_pages(const std::string& image, const char* pages, std::size_t count) {
  PageImage& to = image_called(image);
  return find_places(pages, count, [&to](PagePlace place) { to.add(place); });
}

std::uint64_t PageCapture::pages_of(const std::string& image) const {
  const auto found = images_.find(image);
  return found == images_.end() ? 0 : found->second.pages();
}

Result<void> PageCapture::correct(const std::string& image, const std::map<std::uint64_t, std::string>& pages) {
  const auto found = images_.find(image);
  if (found == images_.end()) return fail(ErrorKind::not_found, "there is no " + image);
  std::map<std::uint64_t, PagePlace> places;
  for (const auto& [at, page] : pages) {
    STASIS_LET(places[at], place_of(index_.hash(page.data()), page.data()));
  }
  found->second.replace(places);
  return {};
}

Result<PagePlace> PageCapture::place_of(const PageHash& hash, const char* page) {
  if (hash == zeros_) return PagePlace{};
  if (const auto known = index_.find(hash)) return *known;
  if (pages_ == std::numeric_limits<std::uint32_t>::max()) return fail(ErrorKind::unsupported, "more than 16 TiB");
  const PagePlace place{number_, pages_++};
  STASIS_TRY(index_.add(hash, place));
  STASIS_TRY(store(page));
  return place;
}

Result<void> PageCapture::store(const char* page) {
  if (!held_) return writer_.add(page);
  held_block_.append(page, kPageSize);
  if (held_block_.size() < kAsideBytes) return {};
  STASIS_TRY(write_fully(held_.get(), held_block_.data(), held_block_.size(), "put pages aside"));
  held_block_.clear();
  return {};
}

Result<void> PageCapture::write_held() {
  if (!held_) return {};
  struct stat status {};
  if (::fstat(held_.get(), &status) != 0) return fail(errno_error("stat the new pages", errno));
  std::string block(kAsideBytes, '\0');
  for (std::uint64_t at = 0, end = static_cast<std::uint64_t>(status.st_size); at < end; at += block.size()) {
    STASIS_TRY(read_fully_at(held_.get(), at, block.data(), block.size(), "read the new pages"));
    for (std::size_t page = 0; page < block.size(); page += kPageSize) STASIS_TRY(writer_.add(&block[page]));
  }
  for (std::size_t page = 0; page < held_block_.size(); page += kPageSize) STASIS_TRY(writer_.add(&held_block_[page]));
  held_.reset();
  held_block_.clear();
  return {};
}

Result<PageMap> PageCapture::finish(const PageMap& previous) {
  STASIS_TRY(write_held());
  STASIS_LET(auto file, writer_.finish());
  PageMap map;
  if (!file.blocks.empty()) map.files[number_] = std::move(file);
  for (auto& [name, image] : images_) {
    for (const auto& run : image.runs) {
      if (run.generation == 0 || map.files.count(run.generation) != 0) continue;
      const auto found = previous.files.find(run.generation);
      if (found == previous.files.end()) return fail(ErrorKind::failed, "a page is in a file that is not known");
      map.files.insert(*found);
    }
    map.images.push_back(std::move(image));
  }
  images_.clear();
  return map;
}

}  // namespace stasis
