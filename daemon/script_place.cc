// SPDX-License-Identifier: Apache-2.0
#include "daemon/script_place.h"

#include <cstdio>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

constexpr char kFiles[] = "files.img";

// Below SlurmdSpoolDir, which may be another on each node.
std::string spooled_as(JobId job) {
  char name[48];
  std::snprintf(name, sizeof name, "/job%05u/slurm_script", job);
  return name;
}

}  // namespace

Result<std::string> move_script_in_image(std::string_view files_image, JobId was, const std::string& place) {
  const std::string old = spooled_as(was);
  STASIS_LET(auto entries, read_criu_image(files_image, kCriuFilesMagic));
  for (auto& entry : entries) {
    criu::File file;
    if (!file.ParseFromString(entry)) return fail(ErrorKind::corrupt, "files.img: an entry that is none");
    if (!file.has_reg() || !file.reg().name().ends_with(old)) continue;
    file.mutable_reg()->set_name(place);
    entry = file.SerializeAsString();
  }
  return write_criu_image(entries, kCriuFilesMagic);
}

Result<void> move_script(int images, Ledger& ledger, JobId was, const std::string& place) {
  const std::string old = spooled_as(was);
  for (auto& file : ledger.files) {
    if (!file.path.ends_with(old)) continue;
    // A shell goes on reading at an offset. In another script there is something else.
    if (!file.has_copy)
      return fail(ErrorKind::unsupported, "the job's script is too large to go on under another number");
    file.path = place;
  }
  STASIS_LET(const std::string image, read_images_file(images, kFiles));
  STASIS_LET(const std::string moved, move_script_in_image(image, was, place));
  if (moved == image) return {};
  return write_images_file(images, kFiles, moved);
}

}  // namespace stasis
