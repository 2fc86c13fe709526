// SPDX-License-Identifier: Apache-2.0
#include "common/file_index.h"

#include <algorithm>
#include <ctime>

#include "common/escape.h"
#include "common/pieces_json.h"

namespace stasis {
namespace {

using Json = nlohmann::json;

// Each costs a file in the store and an open at a restore.
constexpr std::size_t kMostStreams = 16;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

Result<FileIndex> parse(const Json& json) {
  FileIndex index;
  json.at("belongs_to").get_to(index.belongs_to);
  for (const auto& entry : json.at("files")) {
    IndexedFile file;
    file.stamp = {whole_number<std::uint64_t>(entry.at(1)), whole_number<std::uint64_t>(entry.at(2)),
                  whole_number<std::int64_t>(entry.at(3)), whole_number<std::int64_t>(entry.at(4))};
    file.settled = entry.at(5);
    file.pieces = pieces_from_json(entry.at(6));
    entry.at(7).get_to(file.tail);
    STASIS_LET(const std::string path, unescape(entry.at(0).get<std::string>()));
    index.files[path] = std::move(file);
  }
  return index;
}

}  // namespace

FileStamp stamp_of(const struct stat& status) {
  return {status.st_ino, static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

std::int64_t nanoseconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

FileId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

const IndexedFile* FileIndex::find(const std::string& path) const {
  const auto found = files.find(path);
  return found == files.end() ? nullptr : &found->second;
}

const IndexedFile* FileIndex::unchanged(const std::string& path, const FileStamp& stamp) const {
  const IndexedFile* const file = find(path);
  return file != nullptr && file->settled && file->stamp == stamp ? file : nullptr;
}

void FileIndex::note(const std::string& path, const struct stat& status, Pieces pieces, std::int64_t now,
                     std::int64_t clock_step) {
  const FileStamp stamp = stamp_of(status);
  files[path] = {stamp, std::max(stamp.mtime, stamp.ctime) + clock_step < now, std::move(pieces), ""};
}

std::string write_file_index(const FileIndex& index) {
  Json files = Json::array();
  for (const auto& [path, file] : index.files) {
    Json pieces = Json::array();
    for (const auto& piece : file.pieces) pieces.push_back({piece.stream, piece.offset, piece.size});
    files.push_back({escape(path), file.stamp.inode, file.stamp.size, file.stamp.mtime, file.stamp.ctime, file.settled,
                     pieces, file.tail});
  }
  return Json{{"belongs_to", index.belongs_to}, {"files", files}}.dump() + "\n";
}

Result<FileIndex> read_file_index(std::string_view text) { return read_json("file index", text, parse); }

std::set<std::uint32_t> streams_of(const FileIndex& index) {
  std::set<std::uint32_t> streams;
  for (const auto& [path, file] : index.files) {
    for (const auto& piece : file.pieces) {
      if (piece.stream != 0) streams.insert(piece.stream);
    }
  }
  return streams;
}

std::string identity_of(const Manifest& m) {
  return m.job.cluster + "/" + std::to_string(m.job.uid) + "/" + std::to_string(m.job.job) + "-" +
         std::to_string(m.job.first_start) + "/" + m.part + "/" + std::to_string(m.number) + "@" + m.node + "@" +
         std::to_string(m.made_at);
}

void drop_poor_streams(FileIndex& index, const Manifest& previous) {
  if (index.belongs_to != identity_of(previous)) index = {};
  std::map<std::uint32_t, std::uint64_t> used;
  for (const auto& [path, file] : index.files) {
    for (const auto& piece : file.pieces) {
      if (piece.stream != 0) used[piece.stream] += piece.size;
    }
  }
  std::vector<std::pair<std::uint64_t, std::uint32_t>> good;
  for (const auto& [stream, bytes] : used) {
    const ManifestStream* const stored = previous.stream(archive_stream_name(stream));
    if (stored != nullptr && bytes >= stored->data.size / 2) good.emplace_back(bytes, stream);
  }
  std::sort(good.rbegin(), good.rend());
  if (good.size() > kMostStreams) good.resize(kMostStreams);
  std::set<std::uint32_t> kept{0};
  for (const auto& [bytes, stream] : good) kept.insert(stream);
  std::erase_if(index.files, [&](const auto& entry) {
    const Pieces& pieces = entry.second.pieces;
    return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) { return kept.count(piece.stream) == 0; });
  });
}

}  // namespace stasis
