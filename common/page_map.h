// SPDX-License-Identifier: Apache-2.0
// page_map.h - the stream "memory" of a generation: which pages the images of the job's memory are made of, and where
// each is. docs/formats/pages.md tells the format.
//
// A page file holds pages in blocks of kBlockPages, each compressed and sealed by itself; page P of the file is in
// block P / kBlockPages. Only the last block of a file may have fewer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/page_index.h"
#include "common/page_seal.h"
#include "common/result.h"
#include "common/scratch_memory.h"
#include "common/stream_codec.h"

namespace stasis {

inline constexpr std::uint32_t kBlockPages = 256;
inline constexpr char kMemoryStream[] = "memory";
// "shared-pages-8": of that generation.
std::string page_file_name(std::uint32_t generation);

struct PageBlock {
  std::uint64_t offset = 0;  // in the file
  std::uint32_t stored = 0;  // bytes there
  std::uint32_t pages = 0;
  Encoding encoding = Encoding::plain;
  BlockCode code{};  // of what is stored

  friend bool operator==(const PageBlock&, const PageBlock&) = default;
};

using PageBlocks = ScratchVector<PageBlock>;

struct PageFile {
  PageSeal seal;
  PageBlocks blocks;

  std::uint64_t pages() const;
  friend bool operator==(const PageFile&, const PageFile&) = default;
};

// Pages one behind the other, in the image and in the page file. generation 0: pages of zeros.
struct PageRun {
  std::uint32_t generation = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// As many as pages, where every other one is stored elsewhere.
using PageRuns = ScratchVector<PageRun>;

struct PageImage {
  std::string name;
  PageRuns runs;

  // Adds pages to its end.
  void add(const PageRun& run);
  void add(PagePlace place) { add(PageRun{place.generation, place.page, 1}); }
  // Those, by where they are in the image, are in another place. What is behind its end is none of it.
  void replace(const std::map<std::uint64_t, PagePlace>& places);
  std::uint64_t pages() const;
  friend bool operator==(const PageImage&, const PageImage&) = default;
};

struct PageMap {
  std::map<std::uint32_t, PageFile> files;  // by generation
  std::vector<PageImage> images;

  // How many pages of each file the images use, none counted twice.
  std::map<std::uint32_t, PageFileUse> use() const;
  friend bool operator==(const PageMap&, const PageMap&) = default;
};

ScratchString write_page_map(const PageMap& map);
// unsupported: a format this program does not know. corrupt: anything else that is not exactly right; runs lead to
// pages that are there, and image names are names.
Result<PageMap> read_page_map(std::string_view bytes);

// What stands in a manifest for a whole page file: the digest of its blocks' codes.
EncodedStream describe_page_file(const PageFile& file);

}  // namespace stasis
