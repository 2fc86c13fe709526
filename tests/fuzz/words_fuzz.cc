// SPDX-License-Identifier: Apache-2.0
// Any bytes as what people write: times, sizes, keys, escaped names. Refused or read; a time that was read is printed
// so that it is read as the same, and what was escaped comes back.
#include <cstdlib>

#include "common/escape.h"
#include "common/keys.h"
#include "common/size_spec.h"
#include "common/time_spec.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto time = parse_time_spec(text); time && time->kind == TimeSpec::Kind::every) {
    if (time->every <= std::chrono::seconds(0) || time->every > kLongestInterval) std::abort();
    const auto again = parse_time_spec(format_time(time->every));
    if (!again || *again != *time) std::abort();
  }
  (void)parse_size(text);
  (void)Keys::parse(text);
  (void)unescape(text);
  const auto back = unescape(escape(text));
  if (!back || *back != text) std::abort();
  return 0;
}
