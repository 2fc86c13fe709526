// SPDX-License-Identifier: Apache-2.0
#include "common/stored_checkpoint.h"

namespace stasis {
namespace {

constexpr char kVerb[] = "checkpoint";

void describe(const Manifest& manifest, StoredCheckpoint& checkpoint) {
  checkpoint.made_at = manifest.made_at;
  checkpoint.node = manifest.node;
  checkpoint.reason = manifest.reason;
  checkpoint.restarts = manifest.restarts;
  for (const auto& stream : manifest.streams) {
    checkpoint.needed += stream.data.stored;
    if (stream.generation == manifest.number) checkpoint.bytes += stream.data.stored;
  }
}

StoredCheckpoint look_at(const CheckpointStore& store, const Generation& generation, const JobKey& job,
                         const std::string& part, LookAt how_far) {
  StoredCheckpoint checkpoint;
  checkpoint.job = job;
  checkpoint.part = part;
  checkpoint.number = generation.number;
  checkpoint.directory = generation.directory;
  if (how_far == LookAt::names) return checkpoint;
  const auto manifest = store.read(generation, job, part);
  if (manifest) describe(*manifest, checkpoint);
  if (!manifest) checkpoint.damage = manifest.error().message;
  if (!manifest || how_far != LookAt::everything) return checkpoint;
  if (const auto whole = store.verify(generation, job, part); !whole) checkpoint.damage = whole.error().message;
  return checkpoint;
}

}  // namespace

Message StoredCheckpoint::to_message() const {
  Message message(kVerb);
  message.add("cluster", job.cluster).add("uid", static_cast<std::int64_t>(job.uid)).add("job", job.job);
  message.add("first_start", job.first_start).add("part", part).add("number", number).add("directory", directory);
  message.add("aside", aside ? 1 : 0).add("made_at", made_at).add("node", node).add("reason", reason);
  message.add("restarts", restarts).add("bytes", static_cast<std::int64_t>(bytes));
  return message.add("needed", static_cast<std::int64_t>(needed)).add("damage", damage);
}

Result<StoredCheckpoint> StoredCheckpoint::from_message(const Message& message) {
  if (message.verb() != kVerb) return fail(ErrorKind::corrupt, "'" + message.verb() + "' tells of no checkpoint");
  StoredCheckpoint checkpoint;
  const auto text = [&message](const char* key) { return std::string(message.get(key).value_or("")); };
  checkpoint.job.cluster = text("cluster");
  checkpoint.part = text("part");
  checkpoint.directory = text("directory");
  checkpoint.node = text("node");
  checkpoint.reason = text("reason");
  checkpoint.damage = text("damage");
  STASIS_LET(const auto uid, message.get_int("uid", 0, UINT32_MAX));
  STASIS_LET(const auto job, message.get_int("job", 1, UINT32_MAX));
  STASIS_LET(checkpoint.job.first_start, message.get_int("first_start", 0, INT64_MAX));
  STASIS_LET(const auto number, message.get_int("number", 1, UINT32_MAX));
  STASIS_LET(const auto aside, message.get_int("aside", 0, 1));
  STASIS_LET(checkpoint.made_at, message.get_int("made_at", 0, INT64_MAX));
  STASIS_LET(const auto restarts, message.get_int("restarts", 0, UINT32_MAX));
  STASIS_LET(const auto bytes, message.get_int("bytes", 0, INT64_MAX));
  STASIS_LET(const auto needed, message.get_int("needed", 0, INT64_MAX));
  checkpoint.job.uid = static_cast<uid_t>(uid);
  checkpoint.job.job = static_cast<std::uint32_t>(job);
  checkpoint.number = static_cast<std::uint32_t>(number);
  checkpoint.aside = aside == 1;
  checkpoint.restarts = static_cast<std::uint32_t>(restarts);
  checkpoint.bytes = static_cast<std::uint64_t>(bytes);
  checkpoint.needed = static_cast<std::uint64_t>(needed);
  return checkpoint;
}

Result<std::vector<StoredCheckpoint>> stored_checkpoints(const CheckpointStore& store, const std::vector<JobKey>& jobs,
                                                         LookAt how_far, std::optional<std::uint32_t> number) {
  std::vector<StoredCheckpoint> found;
  for (const auto& job : jobs) {
    STASIS_LET(const auto parts, store.parts(job));
    for (const auto& part : parts) {
      if (number && part != "batch") continue;
      STASIS_LET(const auto generations, store.generations(job, part));
      STASIS_LET(const auto aside, store.set_aside(job, part));
      for (const auto& generation : generations) {
        if (number && generation.number != *number) continue;
        found.push_back(look_at(store, generation, job, part, how_far));
      }
      for (const auto& generation : aside) {
        if (number && generation.number != *number) continue;
        found.push_back(look_at(store, generation, job, part, how_far));
        found.back().aside = true;
      }
    }
  }
  return found;
}

}  // namespace stasis
