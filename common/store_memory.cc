// SPDX-License-Identifier: Apache-2.0
#include "common/store_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <numeric>

#include "common/page_file.h"

namespace stasis {
namespace {

// Part of a block, and where in which image it belongs.
struct Part {
  std::uint32_t block = 0;
  std::uint32_t first = 0;  // page in the block
  std::uint32_t count = 0;
  int image = -1;
  std::uint64_t at = 0;  // bytes
};
// Of one page file.
using Parts = ScratchVector<Part>;

void add_parts(const PageRun& run, int image, std::uint64_t at, Parts& parts) {
  for (std::uint32_t done = 0; done < run.count;) {
    const std::uint32_t page = run.first + done;
    const std::uint32_t count = std::min(run.count - done, kBlockPages - page % kBlockPages);
    parts.push_back({page / kBlockPages, page % kBlockPages, count, image, at + done * std::uint64_t{kPageSize}});
    done += count;
  }
}

struct ByBlock {
  bool operator()(const Part& a, const Part& b) const { return a.block < b.block; }
  bool operator()(const Part& a, std::uint32_t block) const { return a.block < block; }
  bool operator()(std::uint32_t block, const Part& b) const { return block < b.block; }
};

Result<void> write_part(const Part& part, const char* pages) {
  const char* data = pages + part.first * kPageSize;
  std::size_t left = part.count * kPageSize;
  for (std::uint64_t at = part.at; left > 0;) {
    const ssize_t written = ::pwrite(part.image, data, left, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write", errno));
    data += written;
    at += static_cast<std::uint64_t>(written);
    left -= static_cast<std::size_t>(written);
  }
  return {};
}

// Of parts that are in order.
BlockNumbers blocks_of(const Parts& parts) {
  BlockNumbers blocks;
  for (const auto& part : parts) {
    if (blocks.empty() || blocks.back() != part.block) blocks.push_back(part.block);
  }
  return blocks;
}

}  // namespace

Result<void> assemble_images(const PageMap& map, const OpenPageFile& open, int into, int threads,
                             const PageObserver& observer) {
  std::vector<UniqueFd> images;
  std::map<std::uint32_t, Parts> parts;
  for (const auto& image : map.images) {
    UniqueFd file(::openat(into, image.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return fail(errno_error("create " + image.name, errno));
    std::uint64_t at = 0;
    for (const auto& run : image.runs) {
      // Zeros are a hole.
      if (run.generation != 0) add_parts(run, file.get(), at, parts[run.generation]);
      at += run.count * std::uint64_t{kPageSize};
    }
    if (::ftruncate(file.get(), static_cast<off_t>(at)) != 0) return fail(errno_error("make " + image.name, errno));
    images.push_back(std::move(file));
  }
  for (auto& [generation, of_file] : parts) {
    std::sort(of_file.begin(), of_file.end(), ByBlock());
    const auto& table = map.files.at(generation);
    STASIS_LET(const InputFile* const file, open(generation));
    const auto take = [&, number = generation, &all = of_file](std::uint32_t block, const char* pages) -> Result<void> {
      const auto [first, last] = std::equal_range(all.begin(), all.end(), block, ByBlock());
      for (auto part = first; part != last; ++part) STASIS_TRY(write_part(*part, pages));
      if (observer) observer({number, block * kBlockPages}, pages, table[block].pages);
      return {};
    };
    STASIS_TRY(in_context(page_file_name(generation), read_blocks(*file, table, blocks_of(of_file), threads, take)));
  }
  return {};
}

Result<void> verify_page_files(const PageMap& map, const OpenPageFile& open, int threads) {
  for (const auto& [generation, blocks] : map.files) {
    STASIS_LET(const InputFile* const file, open(generation));
    BlockNumbers all(blocks.size());
    std::iota(all.begin(), all.end(), 0U);
    const auto nowhere = [](std::uint32_t, const char*) -> Result<void> { return {}; };
    STASIS_TRY(in_context(page_file_name(generation), read_blocks(*file, blocks, all, threads, nowhere)));
  }
  return {};
}

}  // namespace stasis
