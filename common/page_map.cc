// SPDX-License-Identifier: Apache-2.0
#include "common/page_map.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <tuple>

#include "common/sha256.h"

namespace stasis {
namespace {

constexpr std::string_view kMagic = "stasis-memory 2\n";
constexpr std::string_view kMagicOfAnyFormat = "stasis-memory ";

// Little-endian, as every machine is that we run on; fixed sizes.
class Writer {
 public:
  template <class Number>
  void number(Number value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void bytes(std::string_view bytes) { text_ += bytes; }
  template <std::size_t size>
  void bytes(const std::array<std::uint8_t, size>& bytes) {
    text_.append(reinterpret_cast<const char*>(bytes.data()), size);
  }
  ScratchString take() { return std::move(text_); }

 private:
  ScratchString text_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  // 0 behind the end; ok() tells.
  template <class Number>
  Number number() {
    Number value = 0;
    if (const auto piece = bytes(sizeof value); piece.size() == sizeof value) {
      std::memcpy(&value, piece.data(), sizeof value);
    }
    return value;
  }
  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto piece = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return piece;
  }
  template <std::size_t size>
  bool bytes_into(std::array<std::uint8_t, size>& to) {
    const auto piece = bytes(size);
    if (ok_) std::memcpy(to.data(), piece.data(), size);
    return ok_;
  }
  // Of things of that size there can be so many still.
  bool has_room_for(std::uint64_t count, std::size_t size) {
    ok_ = ok_ && count <= rest_.size() / size;
    return ok_;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

constexpr std::size_t kBlockBytes = 8 + 4 + 4 + 1 + std::tuple_size_v<BlockCode>;
constexpr std::size_t kMostKeyId = 64;
constexpr std::size_t kRunBytes = 4 + 4 + 4;

Failure damaged(const char* what) { return fail(ErrorKind::corrupt, std::string("memory map: ") + what); }

bool is_image_name(std::string_view name) {
  return name.starts_with("pages-") && name.size() < 64 && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Result<PageSeal> read_seal(Reader& in) {
  PageSeal seal;
  const auto length = in.number<std::uint32_t>();
  if (length > kMostKeyId) return damaged("a key's name is none");
  seal.key_id = in.bytes(length);
  if (!in.bytes_into(seal.salt)) return damaged("is cut off");
  return seal;
}

Result<PageBlocks> read_blocks(Reader& in) {
  const auto count = in.number<std::uint32_t>();
  if (!in.has_room_for(count, kBlockBytes)) return damaged("is cut off");
  PageBlocks blocks(count);
  std::uint64_t end = 0;
  for (auto& block : blocks) {
    block.offset = in.number<std::uint64_t>();
    block.stored = in.number<std::uint32_t>();
    block.pages = in.number<std::uint32_t>();
    const auto encoding = in.number<std::uint8_t>();
    if (!in.bytes_into(block.code)) return damaged("is cut off");
    block.encoding = encoding == 0 ? Encoding::plain : Encoding::zstd;
    const bool is_last = &block == &blocks.back();
    const std::uint64_t size = std::uint64_t{block.pages} * kPageSize;
    if (encoding > 1 || block.pages == 0 || block.pages > kBlockPages || (!is_last && block.pages != kBlockPages) ||
        block.offset != end || block.stored == 0 || block.stored > size ||
        (block.encoding == Encoding::plain && block.stored != size)) {
      return damaged("a block is none");
    }
    end += block.stored;
  }
  return blocks;
}

}  // namespace

std::string page_file_name(std::uint32_t generation) { return "shared-pages-" + std::to_string(generation); }

std::uint64_t PageFile::pages() const {
  return blocks.empty() ? 0 : (blocks.size() - 1) * std::uint64_t{kBlockPages} + blocks.back().pages;
}

void PageImage::add(const PageRun& run) {
  if (!runs.empty()) {
    PageRun& last = runs.back();
    const bool continues = last.generation == run.generation &&
                           (run.generation == 0 || last.first + last.count == run.first) &&
                           last.count <= std::numeric_limits<std::uint32_t>::max() - run.count;
    if (continues) {
      last.count += run.count;
      return;
    }
  }
  runs.push_back({run.generation, run.generation == 0 ? 0 : run.first, run.count});
}

void PageImage::replace(const std::map<std::uint64_t, PagePlace>& places) {
  PageImage changed{name, {}};
  auto next = places.begin();
  std::uint64_t at = 0;
  for (PageRun run : runs) {
    while (run.count > 0) {
      const std::uint64_t until = next == places.end() ? run.count : next->first - at;
      const auto unchanged = std::min<std::uint64_t>(run.count, until);
      if (unchanged == 0) {
        changed.add((next++)->second);
      } else {
        changed.add(PageRun{run.generation, run.first, static_cast<std::uint32_t>(unchanged)});
      }
      const auto done = static_cast<std::uint32_t>(std::max<std::uint64_t>(unchanged, 1));
      at += done;
      run.count -= done;
      if (run.generation != 0) run.first += done;
    }
  }
  runs = std::move(changed.runs);
}

std::uint64_t PageImage::pages() const {
  std::uint64_t pages = 0;
  for (const auto& run : runs) pages += run.count;
  return pages;
}

std::map<std::uint32_t, PageFileUse> PageMap::use() const {
  std::map<std::uint32_t, PageFileUse> use;
  std::map<std::uint32_t, ScratchVector<bool>> seen;
  for (const auto& [generation, file] : files) {
    use[generation].pages = static_cast<std::uint32_t>(file.pages());
    seen[generation].resize(file.pages());
  }
  for (const auto& image : images) {
    for (const auto& run : image.runs) {
      if (run.generation == 0) continue;
      auto& pages = seen[run.generation];
      for (std::uint32_t i = 0; i < run.count; ++i) pages[run.first + i] = true;
    }
  }
  for (auto& [generation, file] : use) {
    file.used = static_cast<std::uint32_t>(std::count(seen[generation].begin(), seen[generation].end(), true));
  }
  return use;
}

ScratchString write_page_map(const PageMap& map) {
  Writer out;
  out.bytes(kMagic);
  out.number(static_cast<std::uint32_t>(map.files.size()));
  for (const auto& [generation, file] : map.files) {
    out.number(generation);
    out.number(static_cast<std::uint32_t>(file.seal.key_id.size()));
    out.bytes(file.seal.key_id);
    out.bytes(file.seal.salt);
    out.number(static_cast<std::uint32_t>(file.blocks.size()));
    for (const auto& block : file.blocks) {
      out.number(block.offset);
      out.number(block.stored);
      out.number(block.pages);
      out.number(static_cast<std::uint8_t>(block.encoding == Encoding::zstd ? 1 : 0));
      out.bytes(block.code);
    }
  }
  out.number(static_cast<std::uint32_t>(map.images.size()));
  for (const auto& image : map.images) {
    out.number(static_cast<std::uint32_t>(image.name.size()));
    out.bytes(image.name);
    out.number(static_cast<std::uint32_t>(image.runs.size()));
    for (const auto& run : image.runs) {
      out.number(run.generation);
      out.number(run.first);
      out.number(run.count);
    }
  }
  return out.take();
}

Result<PageMap> read_page_map(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    if (!bytes.starts_with(kMagicOfAnyFormat)) return damaged("is none");
    return fail(ErrorKind::unsupported, "memory map of another format than 2, the one this program knows");
  }
  Reader in(bytes.substr(kMagic.size()));
  PageMap map;
  std::uint32_t last = 0;
  for (auto files = in.number<std::uint32_t>(); files > 0 && in.ok(); --files) {
    const auto generation = in.number<std::uint32_t>();
    if (generation <= last) return damaged("page files are out of order");
    last = generation;
    PageFile& file = map.files[generation];
    STASIS_LET(file.seal, read_seal(in));
    STASIS_LET(file.blocks, read_blocks(in));
  }
  for (auto images = in.number<std::uint32_t>(); images > 0 && in.ok(); --images) {
    PageImage image;
    image.name = in.bytes(in.number<std::uint32_t>());
    const auto runs = in.number<std::uint32_t>();
    if (!is_image_name(image.name) || !in.has_room_for(runs, kRunBytes)) return damaged("an image is none");
    for (std::uint32_t i = 0; i < runs; ++i) {
      PageRun run;
      run.generation = in.number<std::uint32_t>();
      run.first = in.number<std::uint32_t>();
      run.count = in.number<std::uint32_t>();
      const auto file = map.files.find(run.generation);
      const bool zeros = run.generation == 0 && run.first == 0;
      if (run.count == 0 ||
          (!zeros && (file == map.files.end() || std::uint64_t{run.first} + run.count > file->second.pages()))) {
        return damaged("a run leads to no page");
      }
      image.runs.push_back(run);
    }
    const bool known = std::any_of(map.images.begin(), map.images.end(),
                                   [&](const PageImage& other) { return other.name == image.name; });
    if (known) return damaged("an image is there twice");
    map.images.push_back(std::move(image));
  }
  if (!in.ok() || !in.at_end()) return damaged("is cut off, or goes on behind its end");
  return map;
}

EncodedStream describe_page_file(const PageFile& file) {
  EncodedStream stream;
  stream.encoding = Encoding::blocks;
  stream.size = file.pages() * kPageSize;
  Sha256 digest;
  for (const auto& block : file.blocks) {
    stream.stored += block.stored;
    digest.update(block.code.data(), block.code.size());
  }
  stream.sha256 = digest.hex();
  return stream;
}

}  // namespace stasis
