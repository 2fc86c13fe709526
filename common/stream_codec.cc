// SPDX-License-Identifier: Apache-2.0
#include "common/stream_codec.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/sha256.h"

namespace stasis {
namespace {

constexpr std::size_t kBlock = 1 << 20;
// Below, a frame's own header eats most of what it saves.
constexpr std::uint64_t kWorthCompressing = 256;
// Below, starting threads costs more than they save.
constexpr std::uint64_t kWorthThreads = 8 << 20;
// A block of a file system, and of memory.
constexpr std::size_t kPage = 4096;

bool all_zeros(const char* data, std::size_t size) {
  return size == 0 || (data[0] == 0 && std::memcmp(data, data + 1, size - 1) == 0);
}

Failure damaged(const char* what) { return fail(ErrorKind::corrupt, what); }

}  // namespace

const char* to_string(Encoding encoding) noexcept {
  switch (encoding) {
    case Encoding::plain:
      return "plain";
    case Encoding::zstd:
      return "zstd";
    case Encoding::blocks:
      return "blocks";
  }
  return "plain";
}

struct StreamEncoder::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~Zstd() { ZSTD_freeCCtx(context); }
};

StreamEncoder::StreamEncoder(Compression compression)
    : compression_(compression), in_(kBlock), out_(ZSTD_CStreamOutSize()), zstd_(std::make_unique<Zstd>()) {}
StreamEncoder::~StreamEncoder() = default;

Result<EncodedStream> StreamEncoder::encode(int fd, OutputFile& out) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail(errno_error("stat", errno));
  // A pipe says nothing of what is to come: taken for large.
  const std::uint64_t expected = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : kWorthThreads;
  const auto read = [fd](char* data, std::size_t size) -> Result<std::size_t> {
    while (true) {
      const ssize_t got = ::read(fd, data, size);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail(errno_error("read", errno));
    }
  };
  return encode_blocks(read, expected, out);
}

Result<EncodedStream> StreamEncoder::encode(std::string_view text, OutputFile& out) {
  const auto read = [&text](char* data, std::size_t size) -> Result<std::size_t> {
    const std::size_t taken = text.copy(data, size);
    text.remove_prefix(taken);
    return taken;
  };
  return encode_blocks(read, text.size(), out);
}

Result<EncodedStream> StreamEncoder::encode_blocks(const std::function<Result<std::size_t>(char*, std::size_t)>& read,
                                                   std::uint64_t expected, OutputFile& out) {
  EncodedStream stream;
  Sha256 hash;
  const bool compress = compression_.level > 0 && expected >= kWorthCompressing;
  if (compress) {
    stream.encoding = Encoding::zstd;
    ZSTD_CCtx* context = zstd_->context;
    ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, compression_.level);
    // A libzstd without threads refuses, and then does without.
    ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, expected >= kWorthThreads ? compression_.threads : 0);
  }
  for (bool last = false; !last;) {
    STASIS_LET(const std::size_t got, read(in_.data(), in_.size()));
    last = got == 0;
    hash.update(in_.data(), got);
    stream.size += got;
    if (!compress) {
      STASIS_TRY(out.append(in_.data(), got));
      stream.stored += got;
      continue;
    }
    ZSTD_inBuffer input{in_.data(), got, 0};
    for (bool more = true; more;) {
      ZSTD_outBuffer output{out_.data(), out_.size(), 0};
      const std::size_t left =
          ZSTD_compressStream2(zstd_->context, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0) return fail(ErrorKind::failed, std::string("zstd: ") + ZSTD_getErrorName(left));
      STASIS_TRY(out.append(out_.data(), output.pos));
      stream.stored += output.pos;
      more = last ? left != 0 : input.pos < input.size;
    }
  }
  stream.sha256 = hash.hex();
  return stream;
}

namespace {

// Takes what is decoded: hashes it, passes it on, and knows when it is too much.
class Receiver {
 public:
  Receiver(const EncodedStream& stream, const Sink& sink) : stream_(stream), sink_(sink) {}

  Result<void> take(const char* data, std::size_t size) {
    if (size > stream_.size - done_) return damaged("is longer than it should be");
    done_ += size;
    hash_.update(data, size);
    return sink_(data, size);
  }
  Result<void> end() {
    if (done_ != stream_.size) return damaged("is shorter than it should be");
    if (hash_.hex() != stream_.sha256) return damaged("is not what was written: its digest is another");
    return {};
  }

 private:
  const EncodedStream& stream_;
  const Sink& sink_;
  Sha256 hash_;
  std::uint64_t done_ = 0;
};

// Most streams are small, and there are many: what is not needed is not made.
std::size_t buffer_for(std::uint64_t size) { return static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, size)); }

struct Decompressor {
  ZSTD_DCtx* context = nullptr;
  std::vector<char> out;
  bool ended = false;
  explicit Decompressor(const EncodedStream& stream) {
    if (stream.encoding != Encoding::zstd) return;
    context = ZSTD_createDCtx();
    // There is always room for a byte, or an empty stream would not come to its end.
    out.resize(std::max<std::size_t>(buffer_for(stream.size), 1));
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { ZSTD_freeDCtx(context); }

  Result<void> feed(const char* data, std::size_t size, Receiver& receiver) {
    ZSTD_inBuffer input{data, size, 0};
    // With all input taken and the output full, there may be more inside.
    for (bool more = true; more;) {
      if (ended) return damaged("goes on behind its end");
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context, &output, &input);
      if (ZSTD_isError(left) != 0) return damaged("cannot be decompressed");
      STASIS_TRY(receiver.take(out.data(), output.pos));
      ended = left == 0;
      more = input.pos < input.size || (!ended && output.pos == output.size);
    }
    return {};
  }
};

}  // namespace

Result<void> decode_stream(const InputFile& in, std::uint64_t offset, const EncodedStream& stream, const Sink& sink) {
  Receiver receiver(stream, sink);
  Decompressor decompressor(stream);
  std::vector<char> block(buffer_for(stream.stored));
  for (std::uint64_t done = 0; done < stream.stored;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), stream.stored - done));
    STASIS_LET(const std::size_t got, in.read(offset + done, block.data(), wanted));
    if (got != wanted) return damaged("is cut off");
    done += got;
    if (stream.encoding == Encoding::plain) {
      STASIS_TRY(receiver.take(block.data(), got));
    } else {
      STASIS_TRY(decompressor.feed(block.data(), got, receiver));
    }
  }
  return receiver.end();
}

Result<void> FileSink::write(const char* data, std::size_t size) {
  while (size > 0) {
    const std::size_t page = std::min<std::size_t>(size, kPage - at_ % kPage);
    std::size_t run = page;
    const bool hole = all_zeros(data, page);
    while (run < size) {
      const std::size_t next = std::min(size - run, kPage);
      if (all_zeros(data + run, next) != hole) break;
      run += next;
    }
    for (std::size_t done = 0; !hole && done < run;) {
      const ssize_t written = ::pwrite(fd_, data + done, run - done, static_cast<off_t>(at_ + done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail(errno_error("write", errno));
      done += static_cast<std::size_t>(written);
    }
    at_ += run;
    data += run;
    size -= run;
  }
  return {};
}

Result<void> FileSink::finish() {
  if (::ftruncate(fd_, static_cast<off_t>(at_)) != 0) return fail(errno_error("truncate", errno));
  return {};
}

}  // namespace stasis
