// SPDX-License-Identifier: Apache-2.0
#include "daemon/expired_timers.h"

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

constexpr char kFiles[] = "files.img";

bool has_no_next_time(const criu::TimerFd& timer) {
  const bool periodic = timer.isec() != 0 || timer.insec() != 0;
  return timer.ticks() != 0 && periodic && timer.vsec() == 0 && timer.vnsec() == 0;
}

}  // namespace

Result<std::string> rearm_expired_timers(std::string_view files_image) {
  STASIS_LET(auto entries, read_criu_image(files_image, kCriuFilesMagic));
  bool changed = false;
  for (auto& entry : entries) {
    criu::File file;
    if (!file.ParseFromString(entry)) return fail(ErrorKind::corrupt, "files.img: an entry that is none");
    if (!file.has_tfd() || !has_no_next_time(file.tfd())) continue;
    file.mutable_tfd()->set_vsec(file.tfd().isec());
    file.mutable_tfd()->set_vnsec(file.tfd().insec());
    entry = file.SerializeAsString();
    changed = true;
  }
  return changed ? write_criu_image(entries, kCriuFilesMagic) : std::string(files_image);
}

Result<void> rearm_expired_timers(int images) {
  STASIS_LET(const std::string image, read_images_file(images, kFiles));
  STASIS_LET(const std::string rearmed, rearm_expired_timers(image));
  if (rearmed == image) return {};
  return write_images_file(images, kFiles, rearmed);
}

}  // namespace stasis
