// SPDX-License-Identifier: Apache-2.0
#include "common/file_archive.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace stasis {
namespace {

constexpr std::size_t kBlock = 1 << 20;
// What file systems share among files is whole blocks of this size (XFS and btrfs, as they are made by default).
constexpr std::uint64_t kCloneUnit = 4096;
// Below, copying costs less than the padding and the system call.
constexpr std::uint64_t kWorthCloning = 64 << 10;

std::uint64_t round_up(std::uint64_t size) { return (size + kCloneUnit - 1) / kCloneUnit * kCloneUnit; }

Result<void> write_at(int fd, const char* data, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write", errno));
    data += written;
    offset += static_cast<std::uint64_t>(written);
    size -= static_cast<std::size_t>(written);
  }
  return {};
}

// Up to `size` bytes; fewer at the file's end.
Result<std::size_t> read_at(int fd, char* data, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

// The data and holes of a file one after the other, cut to [from, to).
struct Stretch {
  std::uint64_t end;
  bool hole;
};
Stretch stretch_at(int fd, std::uint64_t at, std::uint64_t to) {
  const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
  if (data < 0) return {to, errno == ENXIO};  // ENXIO: nothing but a hole to the end
  if (static_cast<std::uint64_t>(data) > at) return {std::min(to, static_cast<std::uint64_t>(data)), true};
  const off_t hole = ::lseek(fd, static_cast<off_t>(at), SEEK_HOLE);
  return {hole < 0 ? to : std::min(to, static_cast<std::uint64_t>(hole)), false};
}

// Makes `size` bytes of `fd` at `at` read as zeros.
Result<void> make_hole(int fd, std::uint64_t at, std::uint64_t size) {
  std::vector<char> block(std::min<std::uint64_t>(size, kBlock));
  for (const std::uint64_t end = at + size; at < end;) {
    const Stretch stretch = stretch_at(fd, at, end);
    if (stretch.hole) {
      at = stretch.end;
      continue;
    }
    const auto part = std::min<std::uint64_t>(block.size(), stretch.end - at);
    STASIS_LET(const std::size_t got, read_at(fd, block.data(), part, at));
    // Behind its end there is nothing to clear.
    if (got == 0) return {};
    if (std::any_of(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got), [](char c) { return c != 0; })) {
      std::memset(block.data(), 0, got);
      STASIS_TRY(write_at(fd, block.data(), got, at));
    }
    at += got;
  }
  return {};
}

}  // namespace

std::uint64_t size_of(const Pieces& pieces) {
  std::uint64_t size = 0;
  for (const auto& piece : pieces) size += piece.size;
  return size;
}

std::string archive_stream_name(std::uint32_t generation) { return "shared-" + std::to_string(generation); }

Result<void> ArchiveWriter::open() {
  if (stream_) return {};
  const std::string name = archive_stream_name(number_);
  stream_.reset(::openat(images_, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!stream_) return fail(errno_error("create " + name, errno));
  return {};
}

Result<Pieces> ArchiveWriter::append(int fd, std::uint64_t from, std::uint64_t to, How how) {
  Pieces pieces;
  if (from == to) return pieces;
  STASIS_TRY(open());
  for (std::uint64_t at = from; at < to;) {
    const Stretch stretch = stretch_at(fd, at, to);
    const std::uint64_t size = stretch.end - at;
    if (stretch.hole) {
      pieces.push_back({0, 0, size});
    } else {
      // Only whole blocks at whole blocks can be shared.
      if (size >= kWorthCloning && at % kCloneUnit == 0) end_ = round_up(end_);
      pieces.push_back({number_, end_, size});
      STASIS_TRY(add_data(fd, at, size, how));
    }
    at = stretch.end;
  }
  return pieces;
}

Result<void> ArchiveWriter::add_data(int fd, std::uint64_t from, std::uint64_t size, How how) {
  std::uint64_t done = 0;
  if (size >= kWorthCloning && from % kCloneUnit == 0) {
    file_clone_range range{fd, from, size / kCloneUnit * kCloneUnit, end_};
    if (::ioctl(stream_.get(), FICLONERANGE, &range) == 0) {
      done = range.src_length;
      cloned_ += done;
    }
  }
  if (done == 0 && how == How::clone_only) {
    return fail(ErrorKind::unsupported, "the file systems share no blocks");
  }
  std::vector<char> block(std::min<std::uint64_t>(size - done, kBlock));
  while (done < size) {
    const auto part = std::min<std::uint64_t>(block.size(), size - done);
    STASIS_LET(const std::size_t got, read_at(fd, block.data(), part, from + done));
    if (got == 0) return fail(ErrorKind::failed, "the file became shorter while it was read");
    STASIS_TRY(write_at(stream_.get(), block.data(), got, end_ + done));
    done += got;
  }
  end_ += size;
  return {};
}

Result<void> ArchiveReader::put_back(const Pieces& pieces, int fd, std::uint64_t size) const {
  std::vector<char> wanted(kBlock);
  std::vector<char> found(kBlock);
  std::uint64_t at = 0;
  for (const auto& piece : pieces) {
    if (piece.stream == 0) {
      STASIS_TRY(make_hole(fd, at, piece.size));
      at += piece.size;
      continue;
    }
    const std::string name = archive_stream_name(piece.stream);
    const UniqueFd stream(::openat(images_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!stream) return fail(errno_error("open " + name, errno));
    for (std::uint64_t done = 0; done < piece.size;) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, piece.size - done));
      STASIS_LET(const std::size_t got, read_at(stream.get(), wanted.data(), part, piece.offset + done));
      if (got != part) return fail(ErrorKind::corrupt, name + " is too short");
      std::size_t same = 0;
      if (at < size) {
        STASIS_LET(same, read_at(fd, found.data(), part, at));
      }
      if (same != part || std::memcmp(wanted.data(), found.data(), part) != 0) {
        STASIS_TRY(write_at(fd, wanted.data(), part, at));
      }
      done += part;
      at += part;
    }
  }
  // A hole at its end.
  if (at > size && pieces.back().stream == 0 && ::ftruncate(fd, static_cast<off_t>(at)) != 0) {
    return fail(errno_error("truncate", errno));
  }
  return {};
}

}  // namespace stasis
