// SPDX-License-Identifier: Apache-2.0
#include "common/page_capture.h"

#include <unistd.h>

#include <cerrno>
#include <limits>
#include <vector>

namespace stasis {
namespace {

constexpr std::size_t kAtOnce = 1 << 20;

// Up to `size` bytes; fewer at the end.
Result<std::size_t> read_fully(int fd, char* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, data + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

PageCapture::PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression)
    : index_(index), number_(number), writer_(std::move(create), compression) {
  const std::vector<char> zeros(kPageSize);
  zeros_ = index_.hash(zeros.data());
}

Result<void> PageCapture::add_image(const std::string& name, int fd) {
  PageImage image{name, {}};
  std::vector<char> block(kAtOnce);
  while (true) {
    STASIS_LET(const std::size_t got, in_context(name, read_fully(fd, block.data(), block.size())));
    if (got % kPageSize != 0) return fail(ErrorKind::failed, name + " is not made of whole pages");
    for (std::size_t at = 0; at < got; at += kPageSize) {
      STASIS_LET(const PagePlace place, place_of(block.data() + at));
      image.add(place);
    }
    if (got < block.size()) break;
  }
  map_.images.push_back(std::move(image));
  return {};
}

Result<PagePlace> PageCapture::place_of(const char* page) {
  const PageHash hash = index_.hash(page);
  if (hash == zeros_) return PagePlace{};
  if (const auto known = index_.find(hash)) return *known;
  if (pages_ == std::numeric_limits<std::uint32_t>::max()) return fail(ErrorKind::unsupported, "more than 16 TiB");
  const PagePlace place{number_, pages_++};
  STASIS_TRY(index_.add(hash, place));
  STASIS_TRY(writer_.add(page));
  return place;
}

Result<PageMap> PageCapture::finish(const PageMap& previous) {
  STASIS_LET(auto blocks, writer_.finish());
  if (!blocks.empty()) map_.files[number_] = std::move(blocks);
  for (const auto& image : map_.images) {
    for (const auto& run : image.runs) {
      if (run.generation == 0 || map_.files.count(run.generation) != 0) continue;
      const auto found = previous.files.find(run.generation);
      if (found == previous.files.end()) return fail(ErrorKind::failed, "a page is in a file that is not known");
      map_.files.insert(*found);
    }
  }
  return std::move(map_);
}

}  // namespace stasis
