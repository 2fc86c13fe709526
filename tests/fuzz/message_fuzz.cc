// SPDX-License-Identifier: Apache-2.0
// Any bytes as a datagram, which every user of a node can send to stasisd: refused or read, and what was read is
// exactly what would be sent.
#include <cstdlib>

#include "common/message.h"
#include "common/task_facts.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = Message::decode(bytes);
  if (!message) return 0;
  const auto again = message->encode();
  if (!again || *again != bytes) std::abort();
  if (const auto facts = TaskFacts::from_message(*message)) {
    (void)facts->name();
    const auto same = TaskFacts::from_message(facts->to_message(message->verb()));
    if (!same || *same != *facts) std::abort();
  }
  return 0;
}
