// SPDX-License-Identifier: Apache-2.0
#include "common/page_file.h"

#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace stasis {
namespace {

constexpr std::size_t kBlockBytes = kBlockPages * kPageSize;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Nothing is decompressed that is not known to be ours.
Result<void> check_block(const StoredBlock& one, std::vector<char>& stored, std::vector<char>& pages,
                         ZSTD_DCtx* context) {
  const PageBlock& block = one.block;
  const std::size_t size = block.pages * kPageSize;
  char* const into = block.encoding == Encoding::plain ? pages.data() : stored.data();
  STASIS_LET(const std::size_t got, one.file->read(block.offset, into, block.stored));
  if (got != block.stored) return fail(ErrorKind::corrupt, "is cut off");
  if (one.sealer->code(one.number, into, block.stored) != block.code) {
    return fail(ErrorKind::corrupt, "is not what was written: its code is another");
  }
  if (block.encoding == Encoding::zstd &&
      ZSTD_decompressDCtx(context, pages.data(), size, stored.data(), block.stored) != size) {
    return fail(ErrorKind::corrupt, "cannot be decompressed");
  }
  return {};
}

std::string name_of(const StoredBlock& block) {
  return page_file_name(block.generation) + ": block " + std::to_string(block.number);
}

}  // namespace

struct PageFileWriter::Packing {
  std::vector<char> pages = std::vector<char>(kBlockBytes);
  std::size_t size = 0;  // of them
  // What does not get a sixteenth smaller is not worth being decompressed: there is no room for more.
  std::vector<char> compressed = std::vector<char>(kBlockBytes - kBlockBytes / 16);
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> context{ZSTD_createCCtx()};
  PageBlock block;

  const char* stored() const { return block.encoding == Encoding::zstd ? compressed.data() : pages.data(); }
};

PageFileWriter::PageFileWriter(Create create, Compression compression, PageSealer sealer)
    : create_(std::move(create)), compression_(compression), sealer_(std::move(sealer)) {}

PageFileWriter::~PageFileWriter() = default;

Result<void> PageFileWriter::add(const char* page) {
  if (!pending_ && !spare_.empty()) {
    pending_ = std::move(spare_.back());
    spare_.pop_back();
  }
  if (!pending_) pending_ = std::make_unique<Packing>();
  std::copy_n(page, kPageSize, pending_->pages.data() + pending_->size);
  pending_->size += kPageSize;
  if (pending_->size < kBlockBytes) return {};
  return pack();
}

PageFileWriter::PackingPtr PageFileWriter::pack_block(PackingPtr packing, std::uint32_t number) const {
  const std::size_t size = packing->size;
  PageBlock& block = packing->block = {};
  block.pages = static_cast<std::uint32_t>(size / kPageSize);
  block.stored = static_cast<std::uint32_t>(size);
  if (compression_.level > 0) {
    ZSTD_CCtx* const context = packing->context.get();
    ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, compression_.level);
    // The code is of what is stored; this tells whether it becomes what it was.
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    const std::size_t compressed =
        ZSTD_compress2(context, packing->compressed.data(), size - size / 16, packing->pages.data(), size);
    if (ZSTD_isError(compressed) == 0) {
      block.encoding = Encoding::zstd;
      block.stored = static_cast<std::uint32_t>(compressed);
    }
  }
  block.code = sealer_.code(number, packing->stored(), block.stored);
  return packing;
}

Result<void> PageFileWriter::pack() {
  const auto threads = static_cast<std::size_t>(std::max(compression_.threads, 1));
  while (packing_.size() >= threads) STASIS_TRY(write_one());
  packing_.push_back(std::async(std::launch::async, &PageFileWriter::pack_block, this, std::move(pending_), packed_++));
  return {};
}

Result<void> PageFileWriter::write_one() {
  PackingPtr packing = packing_.front().get();
  packing_.pop_front();
  packing->block.offset = offset_;
  if (!out_) {
    STASIS_LET(out_, create_());
  }
  STASIS_TRY(out_->append(packing->stored(), packing->block.stored));
  offset_ += packing->block.stored;
  blocks_.push_back(packing->block);
  packing->size = 0;
  spare_.push_back(std::move(packing));
  return {};
}

Result<PageFile> PageFileWriter::finish() {
  if (pending_) STASIS_TRY(pack());
  while (!packing_.empty()) STASIS_TRY(write_one());
  if (out_) STASIS_TRY(out_->sync());
  return PageFile{sealer_.seal(), std::move(blocks_)};
}

Result<void> read_blocks(const StoredBlocks& wanted, int threads, const BlockTaker& take) {
  std::atomic<std::size_t> next{0};
  std::mutex guard;
  std::optional<Error> error;
  const auto work = [&] {
    std::vector<char> stored(kBlockBytes), pages(kBlockBytes);
    const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
    for (std::size_t at = next++; at < wanted.size(); at = next++) {
      const StoredBlock& one = wanted[at];
      auto done = check_block(one, stored, pages, context.get());
      if (!done) done.error() = std::move(done.error()).context(name_of(one));
      if (done) done = take(at, pages.data());
      if (done) continue;
      const std::lock_guard lock(guard);
      if (!error) error = done.error();
      next = wanted.size();
    }
  };
  std::vector<std::thread> others;
  const auto useful = std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), wanted.size());
  for (std::size_t i = 1; i < useful; ++i) others.emplace_back(work);
  work();
  for (auto& thread : others) thread.join();
  if (error) return fail(*error);
  return {};
}

}  // namespace stasis
