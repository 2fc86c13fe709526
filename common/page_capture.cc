// SPDX-License-Identifier: Apache-2.0
#include "common/page_capture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace stasis {
namespace {

// Taken at once by one thread.
constexpr std::uint32_t kBatchPages = 256;
constexpr std::size_t kBatchBytes = kBatchPages * kPageSize;

// cut off: fewer bytes than that.
Result<void> read_fully(int fd, std::uint64_t offset, char* data, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(errno_error("read pages", got == 0 ? EIO : errno));
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Result<void> write_fully(int fd, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("put pages aside", errno));
    done += static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

PageCapture::PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression)
    : index_(index),
      number_(number),
      threads_(std::max(compression.threads, 1)),
      writer_(std::move(create), compression) {
  const std::vector<char> zeros(kPageSize);
  zeros_ = index_.hash(zeros.data());
}

// Threads read, hash and look up batches of pages beside each other; what they found is noted in the order of the pages.
class PageCapture::Taking {
 public:
  Taking(PageCapture& capture, const PageSource& source, PageImage* image)
      : capture_(capture), source_(source), image_(image), batches_((source.pages + kBatchPages - 1) / kBatchPages) {}

  Result<void> run(int threads) {
    std::vector<std::thread> others;
    const auto useful = std::min<std::uint64_t>(static_cast<std::uint64_t>(threads), batches_);
    for (std::uint64_t i = 1; i < useful; ++i) others.emplace_back([this] { work(); });
    work();
    for (auto& thread : others) thread.join();
    if (error_) return fail(*error_);
    return {};
  }

 private:
  struct Batch {
    std::vector<char> pages = std::vector<char>(kBatchBytes);
    std::vector<PageHash> hashes = std::vector<PageHash>(kBatchPages);
    std::vector<std::optional<PagePlace>> places = std::vector<std::optional<PagePlace>>(kBatchPages);
    std::uint32_t count = 0;
  };

  void work() {
    Batch batch;
    for (std::uint64_t at = next_++; at < batches_; at = next_++) {
      auto done = look_up(at, batch);
      std::unique_lock lock(guard_);
      turned_.wait(lock, [&] { return turn_ == at || error_; });
      if (error_) return;
      if (done) done = note(batch);
      if (!done) error_ = done.error();
      ++turn_;
      turned_.notify_all();
      if (error_) return;
    }
  }

  Result<void> look_up(std::uint64_t at, Batch& batch) const {
    const std::uint64_t first = at * kBatchPages;
    batch.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBatchPages, source_.pages - first));
    STASIS_TRY(source_.read(first, batch.count, batch.pages.data()));
    const std::shared_lock lock(capture_.index_guard_);
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      batch.hashes[i] = capture_.index_.hash(&batch.pages[i * kPageSize]);
      batch.places[i] = batch.hashes[i] == capture_.zeros_ ? PagePlace{} : capture_.index_.find(batch.hashes[i]);
    }
    return {};
  }

  Result<void> note(const Batch& batch) {
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      PagePlace place;
      if (batch.places[i]) {
        place = *batch.places[i];
      } else {
        STASIS_LET(place, capture_.store(batch.hashes[i], &batch.pages[i * kPageSize]));
      }
      if (image_ != nullptr) image_->add(place);
    }
    return {};
  }

  PageCapture& capture_;
  const PageSource& source_;
  PageImage* image_;
  std::uint64_t batches_;
  std::atomic<std::uint64_t> next_{0};
  std::mutex guard_;
  std::condition_variable turned_;
  std::uint64_t turn_ = 0;
  std::optional<Error> error_;
};

Result<void> PageCapture::take(const PageSource& source, PageImage* image) {
  return Taking(*this, source, image).run(threads_);
}

Result<void> PageCapture::learn(const PageSource& source) { return take(source, nullptr); }

Result<void> PageCapture::add_image(const std::string& name, const PageSource& source) {
  PageImage image{name, {}};
  STASIS_TRY(in_context(name, take(source, &image)));
  map_.images.push_back(std::move(image));
  return {};
}

Result<void> PageCapture::add_image(const std::string& name, int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail(errno_error("stat " + name, errno));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size % kPageSize != 0) return fail(ErrorKind::failed, name + " is not made of whole pages");
  const auto read = [fd](std::uint64_t first, std::uint32_t count, char* into) {
    return read_fully(fd, first * kPageSize, into, count * kPageSize);
  };
  return add_image(name, PageSource{size / kPageSize, read});
}

// In the turn of who calls it.
Result<PagePlace> PageCapture::store(const PageHash& hash, const char* page) {
  // It may have come up twice since the store was looked through.
  if (const auto known = index_.find(hash)) return *known;
  if (pages_ == std::numeric_limits<std::uint32_t>::max()) return fail(ErrorKind::unsupported, "more than 16 TiB");
  const PagePlace place{number_, pages_++};
  {
    const std::unique_lock lock(index_guard_);
    STASIS_TRY(index_.add(hash, place));
  }
  if (!held_) {
    STASIS_TRY(writer_.add(page));
    return place;
  }
  held_block_.append(page, kPageSize);
  if (held_block_.size() >= kBatchBytes) {
    STASIS_TRY(write_fully(held_.get(), held_block_));
    held_block_.clear();
  }
  return place;
}

Result<void> PageCapture::hold_back(int directory) {
  const char* const name = ".new-pages";
  UniqueFd file(::openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file || ::unlinkat(directory, name, 0) != 0) return fail(errno_error("make a file for new pages", errno));
  held_ = std::move(file);
  return {};
}

Result<void> PageCapture::write_held() {
  if (!held_) return {};
  struct stat status {};
  if (::fstat(held_.get(), &status) != 0) return fail(errno_error("stat the new pages", errno));
  std::string block(kBatchBytes, '\0');
  for (std::uint64_t at = 0, end = static_cast<std::uint64_t>(status.st_size); at < end; at += block.size()) {
    STASIS_TRY(read_fully(held_.get(), at, block.data(), block.size()));
    for (std::size_t page = 0; page < block.size(); page += kPageSize) STASIS_TRY(writer_.add(&block[page]));
  }
  for (std::size_t page = 0; page < held_block_.size(); page += kPageSize) STASIS_TRY(writer_.add(&held_block_[page]));
  held_.reset();
  held_block_.clear();
  return {};
}

Result<PageMap> PageCapture::finish(const PageMap& previous) {
  STASIS_TRY(write_held());
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
