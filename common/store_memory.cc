// SPDX-License-Identifier: Apache-2.0
#include "common/store_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "common/full_io.h"
#include "common/image_segments.h"
#include "common/page_file.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

// Part of a block, and where in which image it belongs.
struct Part {
  std::uint32_t generation = 0;
  std::uint32_t block = 0;
  std::uint32_t first = 0;  // page in the block
  std::uint32_t count = 0;
  std::uint32_t image = 0;
  std::uint64_t at = 0;  // page in the image

  // Which of two criu wants first: it restores a process before its children, and has dumped them in that order.
  friend bool operator<(const Part& a, const Part& b) { return std::tie(a.image, a.at) < std::tie(b.image, b.at); }
};
using Parts = ScratchVector<Part>;

// The parts of one block, among all parts.
struct Group {
  std::size_t begin = 0, end = 0;  // the part that is wanted first comes first
};
using Groups = ScratchVector<Group>;

using Sealers = std::map<std::uint32_t, PageSealer>;  // by generation

Result<Sealers> sealers_of(const PageMap& map, const Keys& keys) {
  Sealers sealers;
  for (const auto& [generation, file] : map.files) {
    STASIS_LET(auto sealer, in_context(page_file_name(generation), PageSealer::open(keys, file.seal)));
    sealers.emplace(generation, std::move(sealer));
  }
  return sealers;
}

// As criu has numbered them: "pages-9.img" before "pages-10.img".
std::vector<const PageImage*> images_in_order(const PageMap& map) {
  std::vector<const PageImage*> images;
  for (const auto& image : map.images) images.push_back(&image);
  std::sort(images.begin(), images.end(), [](const PageImage* a, const PageImage* b) {
    return std::pair(a->name.size(), a->name) < std::pair(b->name.size(), b->name);
  });
  return images;
}

void add_parts(const PageRun& run, std::uint32_t image, std::uint64_t at, Parts& parts) {
  for (std::uint32_t done = 0; done < run.count;) {
    const std::uint32_t page = run.first + done;
    const std::uint32_t count = std::min(run.count - done, kBlockPages - page % kBlockPages);
    parts.push_back({run.generation, page / kBlockPages, page % kBlockPages, count, image, at + done});
    done += count;
  }
}

Groups group_by_block(Parts& parts) {
  const auto key = [](const Part& part) { return std::tie(part.generation, part.block, part.image, part.at); };
  std::sort(parts.begin(), parts.end(), [&](const Part& a, const Part& b) { return key(a) < key(b); });
  Groups groups;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool is_new = groups.empty() || parts[groups.back().begin].generation != parts[i].generation ||
                        parts[groups.back().begin].block != parts[i].block;
    if (is_new) groups.push_back({i, i});
    groups.back().end = i + 1;
  }
  std::sort(groups.begin(), groups.end(),
            [&parts](const Group& a, const Group& b) { return parts[a.begin] < parts[b.begin]; });
  return groups;
}

}  // namespace

Result<PutPages> into_whole_images(const PageMap& map, int directory) {
  const auto files = std::make_shared<std::map<std::string, UniqueFd>>();
  for (const auto& image : map.images) {
    UniqueFd file(::openat(directory, image.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return fail(errno_error("create " + image.name, errno));
    // Zeros are a hole.
    if (::ftruncate(file.get(), static_cast<off_t>(image.pages() * kPageSize)) != 0) {
      return fail(errno_error("make " + image.name, errno));
    }
    files->emplace(image.name, std::move(file));
  }
  return [files](const std::string& image, std::uint64_t at, const char* pages, std::uint64_t count) {
    return write_fully_at(files->at(image).get(), at * kPageSize, pages, count * kPageSize, "write an image");
  };
}

PutPages into_segments(int directory, ImageProgress& progress) {
  return [directory, &progress](const std::string& image, std::uint64_t at, const char* pages,
                                std::uint64_t count) -> Result<void> {
    STASIS_TRY(progress.wait_for_readers());
    return put_into_segments(directory, image, at, pages, count);
  };
}

Result<void> put_images(const PageMap& map, const Keys& keys, const OpenPageFile& open, const PutPages& put,
                        int threads, const PageObserver& observer, ImageProgress& progress) {
  STASIS_LET(const auto sealers, sealers_of(map, keys));
  const auto images = images_in_order(map);
  Parts parts;
  for (std::uint32_t i = 0; i < images.size(); ++i) {
    std::uint64_t at = 0;
    for (const auto& run : images[i]->runs) {
      if (run.generation == 0) {
        STASIS_TRY(progress.add(images[i]->name, at, run.count));
        // They take no room.
        progress.have_read(run.count);
      } else {
        add_parts(run, i, at, parts);
      }
      at += run.count;
    }
  }
  const Groups groups = group_by_block(parts);
  StoredBlocks wanted;
  wanted.reserve(groups.size());
  for (const auto& group : groups) {
    const Part& part = parts[group.begin];
    STASIS_LET(const InputFile* const file, open(part.generation));
    wanted.push_back({file, &sealers.at(part.generation), part.generation, part.block,
                      map.files.at(part.generation).blocks[part.block]});
  }
  return read_blocks(wanted, threads, [&](std::size_t index, const char* pages) -> Result<void> {
    for (std::size_t i = groups[index].begin; i < groups[index].end; ++i) {
      const Part& part = parts[i];
      const std::string& image = images[part.image]->name;
      STASIS_TRY(put(image, part.at, pages + part.first * kPageSize, part.count));
      STASIS_TRY(progress.add(image, part.at, part.count));
    }
    const StoredBlock& one = wanted[index];
    if (observer) observer({one.generation, one.number * kBlockPages}, pages, one.block.pages);
    return {};
  });
}

Result<void> verify_page_files(const PageMap& map, const Keys& keys, const OpenPageFile& open, int threads) {
  STASIS_LET(const auto sealers, sealers_of(map, keys));
  StoredBlocks all;
  for (const auto& [generation, described] : map.files) {
    STASIS_LET(const InputFile* const file, open(generation));
    const PageSealer* const sealer = &sealers.at(generation);
    std::uint32_t number = 0;
    for (const auto& block : described.blocks) all.push_back({file, sealer, generation, number++, block});
  }
  return read_blocks(all, threads, [](std::size_t, const char*) -> Result<void> { return {}; });
}

}  // namespace stasis
