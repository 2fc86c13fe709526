// SPDX-License-Identifier: Apache-2.0
// Any bytes as what scontrol prints of a job, in which names and comments are the users' own: refused or read, and a
// comment of ours that was read can be written and read again.
#include <cstdlib>

#include "common/checkpoint_comment.h"
#include "common/slurm_client.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)parse_job(text);
  (void)parse_scontrol_line(text);
  if (const auto comment = parse_checkpoint_comment(text)) {
    const auto again = parse_checkpoint_comment(write_checkpoint_comment(*comment));
    if (!again || write_checkpoint_comment(*again) != write_checkpoint_comment(*comment)) std::abort();
  }
  return 0;
}
