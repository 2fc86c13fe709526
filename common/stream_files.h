// SPDX-License-Identifier: Apache-2.0
// stream_files.h - the files that the streams of a generation are in, which may be those of earlier ones.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/file_system.h"
#include "common/manifest.h"
#include "common/result.h"

namespace stasis {

// Of one generation, each opened once. The file system outlives this.
class StreamFiles {
 public:
  StreamFiles(FileSystem& files, std::string part_directory) : files_(files), directory_(std::move(part_directory)) {}

  // corrupt: it is lost.
  Result<const InputFile*> open(const ManifestStream& stream);

 private:
  Result<std::unique_ptr<InputFile>> find(const ManifestStream& stream);

  FileSystem& files_;
  std::string directory_;
  std::map<std::pair<std::uint32_t, std::string>, std::unique_ptr<InputFile>> open_;
};

}  // namespace stasis
