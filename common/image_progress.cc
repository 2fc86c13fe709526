// SPDX-License-Identifier: Apache-2.0
#include "common/image_progress.h"

#include <algorithm>

namespace stasis {
namespace {

// Little enough that no kernel begins to write it to the disk.
constexpr std::uint64_t kMuch = (256 << 20) / kPageSize;

}  // namespace

ImageProgress::ImageProgress(const PageMap& map) {
  for (const auto& of_map : map.images) {
    Image& image = images_[of_map.name];
    image.pages = of_map.pages();
    image.missing.assign((image.pages + kBlockPages - 1) / kBlockPages, kBlockPages);
    if (image.pages % kBlockPages != 0) image.missing.back() = static_cast<std::uint16_t>(image.pages % kBlockPages);
  }
}

Result<void> ImageProgress::add(const std::string& name, std::uint64_t first, std::uint64_t count) {
  const std::lock_guard lock(guard_);
  if (error_) return stasis::fail(*error_);
  Image& image = images_.at(name);
  for (std::uint64_t at = first; at < first + count;) {
    const std::uint64_t part = at / kBlockPages;
    const std::uint64_t now = std::min(first + count, (part + 1) * kBlockPages) - at;
    image.missing[part] = static_cast<std::uint16_t>(image.missing[part] - now);
    at += now;
  }
  unread_ += count;
  const std::uint64_t before = image.whole;
  while (image.whole < image.missing.size() && image.missing[image.whole] == 0) ++image.whole;
  if (image.whole != before) changed_.notify_all();
  return {};
}

Result<void> ImageProgress::wait_for_readers() {
  std::unique_lock lock(guard_);
  changed_.wait(lock, [this] { return error_ || unread_ < kMuch || waiting_ > 0; });
  if (error_) return stasis::fail(*error_);
  return {};
}

void ImageProgress::have_read(std::uint64_t pages) {
  const std::lock_guard lock(guard_);
  unread_ -= std::min(unread_, pages);
  changed_.notify_all();
}

bool ImageProgress::fail(const Error& error) {
  const std::lock_guard lock(guard_);
  if (error_) return false;
  error_ = error;
  changed_.notify_all();
  return true;
}

Result<std::uint64_t> ImageProgress::wait_beyond(const std::string& name, std::uint64_t pages) {
  std::unique_lock lock(guard_);
  const auto found = images_.find(name);
  if (found == images_.end()) return stasis::fail(ErrorKind::not_found, name + " is not being made");
  const Image& image = found->second;
  const auto there = [&image] { return std::min(image.pages, image.whole * kBlockPages); };
  const auto answered = [&] { return error_ || there() > pages || there() == image.pages; };
  if (!answered()) {
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, answered);
    --waiting_;
  }
  if (error_) return stasis::fail(*error_);
  return there();
}

}  // namespace stasis
