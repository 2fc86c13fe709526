// SPDX-License-Identifier: Apache-2.0
#include "daemon/script_place.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "common/unique_fd.h"
#include "daemon/images_file.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::uint32_t kRegular = 1;
constexpr char kNow[] = "/var/spool/slurmd/job00900/slurm_script";

std::string file_entry(std::uint32_t id, const std::string& name) {
  criu::File file;
  file.set_type(kRegular);
  file.set_id(id);
  file.mutable_reg()->set_name(name);
  return file.SerializeAsString();
}

std::vector<std::string> names(const std::string& image) {
  std::vector<std::string> found;
  const auto entries = read_criu_image(image, kCriuFilesMagic);
  for (const auto& entry : entries.value()) {
    criu::File file;
    EXPECT_TRUE(file.ParseFromString(entry));
    found.push_back(file.reg().name());
  }
  return found;
}

std::string image_of(const std::vector<std::string>& paths) {
  std::vector<std::string> entries;
  for (const auto& path : paths) entries.push_back(file_entry(static_cast<std::uint32_t>(entries.size() + 1), path));
  return write_criu_image(entries, kCriuFilesMagic);
}

Ledger ledger_of(const std::string& path, bool has_copy) {
  LedgerFile file;
  file.path = path;
  file.has_copy = has_copy;
  return Ledger{0, {file}, {}};
}

TEST(ScriptPlace, IsTheNewJobsForTheOldJobsScriptAlone) {
  const std::vector<std::string> others{"/home/alice/812.out", "/var/spool/slurmd/job00813/slurm_script",
                                        "/var/spool/slurmd/job10812/slurm_script", "/usr/bin/bash"};
  std::vector<std::string> before = others;
  before.emplace_back("/somewhere/else/job00812/slurm_script");
  std::vector<std::string> after = others;
  after.emplace_back(kNow);
  EXPECT_EQ(names(move_script_in_image(image_of(before), 812, kNow).value()), after);
  EXPECT_EQ(move_script_in_image(image_of(others), 812, kNow).value(), image_of(others));
}

TEST(ScriptPlace, LeavesWhatCriuSaysBesides) {
  criu::File file;
  ASSERT_TRUE(file.ParseFromString(file_entry(7, "/x/job00812/slurm_script")));
  // Field 8 of a regular file is its size to CRIU; to us it is unknown.
  file.mutable_reg()->mutable_unknown_fields()->append("\x40\x2a");
  const auto moved = move_script_in_image(write_criu_image({file.SerializeAsString()}, kCriuFilesMagic), 812, kNow);
  criu::File after;
  ASSERT_TRUE(after.ParseFromString(read_criu_image(moved.value(), kCriuFilesMagic).value().at(0)));
  EXPECT_EQ(after.id(), 7U);
  EXPECT_EQ(after.reg().unknown_fields(), "\x40\x2a");
}

TEST(ScriptPlace, IsInTheLedgerAndInTheImages) {
  const TempDirectory directory;
  const UniqueFd images(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(write_images_file(images.get(), "files.img", image_of({"/spool/job00812/slurm_script"})));
  Ledger ledger = ledger_of("/spool/job00812/slurm_script", true);
  ASSERT_TRUE(move_script(images.get(), ledger, 812, kNow));
  EXPECT_EQ(ledger.files[0].path, kNow);
  EXPECT_EQ(names(read_images_file(images.get(), "files.img").value()), std::vector<std::string>{kNow});
}

TEST(ScriptPlace, IsRefusedToAScriptOfWhichThereIsNoCopy) {
  const TempDirectory directory;
  const UniqueFd images(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(write_images_file(images.get(), "files.img", image_of({})));
  Ledger ledger = ledger_of("/spool/job00812/slurm_script", false);
  const auto moved = move_script(images.get(), ledger, 812, kNow);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().kind, ErrorKind::unsupported);
}

TEST(ScriptPlace, RefusesAnImageThatIsNone) {
  EXPECT_EQ(move_script_in_image("nonsense", 812, kNow).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace stasis
