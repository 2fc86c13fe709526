// SPDX-License-Identifier: Apache-2.0
// page_file.h - pages of memory in a file of the store: written in compressed and sealed blocks by several threads, and
// read back, verified, by as many.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/page_map.h"
#include "common/stream_codec.h"

namespace stasis {

// Holds at most some blocks in memory, however many pages come. The file is written by the calling thread only.
class PageFileWriter {
 public:
  using Create = std::function<Result<std::unique_ptr<OutputFile>>()>;
  // The file is made when there is something to write into it.
  PageFileWriter(Create create, Compression compression, PageSealer sealer);
  ~PageFileWriter();

  // Appends a page of kPageSize bytes.
  Result<void> add(const char* page);
  // What was written, when all is durable; nothing can be added any more.
  Result<PageFile> finish();

 private:
  // A block on its way, with all the memory that it needs: for the next one, too, since fresh memory costs nearly as
  // much as compressing.
  struct Packing;
  using PackingPtr = std::unique_ptr<Packing>;
  Result<void> pack();
  Result<void> write_one();
  PackingPtr pack_block(PackingPtr packing, std::uint32_t number) const;

  Create create_;
  std::unique_ptr<OutputFile> out_;
  Compression compression_;
  PageSealer sealer_;
  PackingPtr pending_;
  std::deque<std::future<PackingPtr>> packing_;
  std::vector<PackingPtr> spare_;
  std::uint32_t packed_ = 0;
  PageBlocks blocks_;
  std::uint64_t offset_ = 0;
};

// A block, and where it is.
struct StoredBlock {
  const InputFile* file = nullptr;
  const PageSealer* sealer = nullptr;
  std::uint32_t generation = 0;  // whose page file that is
  std::uint32_t number = 0;
  PageBlock block;
};
using StoredBlocks = ScratchVector<StoredBlock>;
// Takes the pages of the block that is the one at `index` of those wanted, from any thread.
using BlockTaker = std::function<Result<void>(std::size_t index, const char* pages)>;
// Reads the blocks, beginning them in that order, and verifies each before it is given to `take`. corrupt: one is not
// what it should be.
Result<void> read_blocks(const StoredBlocks& wanted, int threads, const BlockTaker& take);

}  // namespace stasis
