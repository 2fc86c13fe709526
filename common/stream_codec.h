// SPDX-License-Identifier: Apache-2.0
// stream_codec.h - how one stream of bytes is kept in the store: hashed as it is, compressed or not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/file_system.h"
#include "common/result.h"

namespace stasis {

// In manifests since format 1: names never change their meaning.
enum class Encoding {
  plain,
  zstd,    // one frame
  blocks,  // a page file (page_map.h), which is read block by block and not with decode_stream()
};
const char* to_string(Encoding encoding) noexcept;

struct EncodedStream {
  std::uint64_t size = 0;  // of the plain contents
  std::string sha256;      // of the plain contents
  std::uint64_t stored = 0;
  Encoding encoding = Encoding::plain;

  friend bool operator==(const EncodedStream&, const EncodedStream&) = default;
};

struct Compression {
  int level = 1;    // zstd's; 0: none
  int threads = 1;  // for one large stream
};

// Not thread-safe. Reuse it: its buffers are large.
class StreamEncoder {
 public:
  explicit StreamEncoder(Compression compression);
  ~StreamEncoder();

  // Appends what `fd` gives up to its end (a file, or a pipe) to `out`. Memory is bounded, whatever the size.
  Result<EncodedStream> encode(int fd, OutputFile& out);
  Result<EncodedStream> encode(std::string_view text, OutputFile& out);

 private:
  struct Zstd;
  Result<EncodedStream> encode_blocks(const std::function<Result<std::size_t>(char*, std::size_t)>& read,
                                      std::uint64_t expected, OutputFile& out);

  Compression compression_;
  std::vector<char> in_, out_;
  std::unique_ptr<Zstd> zstd_;
};

// Gives the plain contents of the stored bytes [offset, offset + stream.stored) of `in` to `sink`, block by block.
// corrupt: they are not what `stream` says; by then the sink has had the wrong bytes, but never more than stream.size.
using Sink = std::function<Result<void>(const char* data, std::size_t size)>;
Result<void> decode_stream(const InputFile& in, std::uint64_t offset, const EncodedStream& stream, const Sink& sink);

// A sink that writes to a file's end. Blocks of zeros become holes.
class FileSink {
 public:
  explicit FileSink(int fd) : fd_(fd) {}
  Result<void> write(const char* data, std::size_t size);
  // Gives the file its full size, should it end in a hole.
  Result<void> finish();

 private:
  int fd_;
  std::uint64_t at_ = 0;
};

}  // namespace stasis
