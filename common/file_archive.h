// SPDX-License-Identifier: Apache-2.0
// file_archive.h - the contents of a job's files, kept in streams of a generation.
//
// What is new at a checkpoint is appended to one stream, "shared-<number>"; what has not changed stays where it was,
// in the stream of an earlier generation that the new one takes over. A file's contents are a list of pieces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

struct Piece {
  std::uint32_t stream = 0;  // of that generation; 0: a hole
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  friend bool operator==(const Piece&, const Piece&) = default;
};
using Pieces = std::vector<Piece>;

std::uint64_t size_of(const Pieces& pieces);
// "shared-7"
std::string archive_stream_name(std::uint32_t generation);

class ArchiveWriter {
 public:
  // Makes the stream of generation `number` in the directory `images`, which outlives this, once there is something in
  // it.
  ArchiveWriter(int images, std::uint32_t number) : images_(images), number_(number) {}

  enum class How {
    any,         // shares the blocks where the file system can, else copies
    clone_only,  // unsupported: they cannot be shared
  };
  // Appends the bytes [from, to) of the file `fd`, which must stand still. Holes take no room. An error that is not
  // about reading `fd` makes the archive useless.
  Result<Pieces> append(int fd, std::uint64_t from, std::uint64_t to, How how = How::any);

  std::uint64_t size() const { return end_; }
  std::uint64_t cloned() const { return cloned_; }

 private:
  Result<void> open();
  Result<void> add_data(int fd, std::uint64_t from, std::uint64_t size, How how);

  int images_;
  std::uint32_t number_;
  UniqueFd stream_;
  std::uint64_t end_ = 0;
  std::uint64_t cloned_ = 0;
};

class ArchiveReader {
 public:
  // `images` has the streams and outlives this.
  explicit ArchiveReader(int images) : images_(images) {}

  // Makes the first bytes of the file `fd`, of `size` bytes now, what `pieces` say, writing only what differs. The file
  // is not made shorter. corrupt: a stream is missing or too short.
  Result<void> put_back(const Pieces& pieces, int fd, std::uint64_t size) const;

 private:
  int images_;
};

}  // namespace stasis
