// SPDX-License-Identifier: Apache-2.0
#include "common/stream_files.h"

#include "common/store_layout.h"

namespace stasis {

Result<const InputFile*> StreamFiles::open(const ManifestStream& stream) {
  auto& file = open_[{stream.generation, stream.file}];
  if (!file) {
    STASIS_LET(file, find(stream));
  }
  return file.get();
}

// Between the first look and the second, a prune may have given the directory its other name; prunes do not undo it.
Result<std::unique_ptr<InputFile>> StreamFiles::find(const ManifestStream& stream) {
  for (const auto& name :
       {generation_name(stream.generation), base_name(stream.generation), aside_name(stream.generation)}) {
    auto found = files_.open(directory_ + "/" + name + "/" + stream.file);
    if (found || found.error().kind != ErrorKind::not_found) return found;
  }
  return fail(ErrorKind::corrupt,
              "has lost its file " + stream.file + " of checkpoint " + std::to_string(stream.generation));
}

}  // namespace stasis
