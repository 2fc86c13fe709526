// SPDX-License-Identifier: Apache-2.0
#include "common/page_file.h"

#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "common/sha256.h"

namespace stasis {
namespace {

constexpr std::size_t kBlockBytes = kBlockPages * kPageSize;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Result<void> check_block(const InputFile& in, const PageBlock& block, std::vector<char>& stored,
                         std::vector<char>& pages, ZSTD_DCtx* context) {
  const std::size_t size = block.pages * kPageSize;
  char* const into = block.encoding == Encoding::plain ? pages.data() : stored.data();
  STASIS_LET(const std::size_t got, in.read(block.offset, into, block.stored));
  if (got != block.stored) return fail(ErrorKind::corrupt, "is cut off");
  if (block.encoding == Encoding::zstd &&
      ZSTD_decompressDCtx(context, pages.data(), size, stored.data(), block.stored) != size) {
    return fail(ErrorKind::corrupt, "cannot be decompressed");
  }
  if (sha256_bytes(pages.data(), size) != block.sha256) {
    return fail(ErrorKind::corrupt, "is not what was written: its digest is another");
  }
  return {};
}

std::string name_of(const StoredBlock& block) {
  return page_file_name(block.generation) + ": block " + std::to_string(block.number);
}

}  // namespace

PageFileWriter::PageFileWriter(Create create, Compression compression)
    : create_(std::move(create)), compression_(compression) {}

Result<void> PageFileWriter::add(const char* page) {
  pending_.append(page, kPageSize);
  if (pending_.size() < kBlockBytes) return {};
  return pack();
}

PageFileWriter::Packed PageFileWriter::pack_block(std::string pages, int level) {
  Packed packed;
  packed.block.pages = static_cast<std::uint32_t>(pages.size() / kPageSize);
  packed.block.sha256 = sha256_bytes(pages.data(), pages.size());
  if (level > 0) {
    std::string compressed(pages.size(), '\0');
    const std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
    // What does not get a sixteenth smaller is not worth being decompressed: there is no room for more.
    const std::size_t size = ZSTD_compressCCtx(context.get(), compressed.data(), pages.size() - pages.size() / 16,
                                               pages.data(), pages.size(), level);
    if (ZSTD_isError(size) == 0) {
      compressed.resize(size);
      packed.block.encoding = Encoding::zstd;
      packed.bytes = std::move(compressed);
    }
  }
  if (packed.block.encoding == Encoding::plain) packed.bytes = std::move(pages);
  packed.block.stored = static_cast<std::uint32_t>(packed.bytes.size());
  return packed;
}

Result<void> PageFileWriter::pack() {
  const auto threads = static_cast<std::size_t>(std::max(compression_.threads, 1));
  while (packing_.size() >= threads) STASIS_TRY(write_one());
  packing_.push_back(
      std::async(std::launch::async, &PageFileWriter::pack_block, std::move(pending_), compression_.level));
  pending_.clear();
  return {};
}

Result<void> PageFileWriter::write_one() {
  Packed packed = packing_.front().get();
  packing_.pop_front();
  packed.block.offset = offset_;
  if (!out_) {
    STASIS_LET(out_, create_());
  }
  STASIS_TRY(out_->append(packed.bytes.data(), packed.bytes.size()));
  offset_ += packed.block.stored;
  blocks_.push_back(packed.block);
  return {};
}

Result<PageBlocks> PageFileWriter::finish() {
  if (!pending_.empty()) STASIS_TRY(pack());
  while (!packing_.empty()) STASIS_TRY(write_one());
  if (out_) STASIS_TRY(out_->sync());
  return std::move(blocks_);
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
      auto done = check_block(*one.file, one.block, stored, pages, context.get());
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
