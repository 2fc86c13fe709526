// SPDX-License-Identifier: Apache-2.0
// store.h - keeps finished checkpoints on storage that all nodes share. A generation is complete or absent, never half
// there: it is written under a hidden name and appears by rename, its manifest written last.
//
//   <root>/<cluster>/<uid>/<job>-<first start>/<part>/gen-000001/{manifest, pack, shared-...}
//
// docs/formats/store.md tells all of it. A generation may use streams of earlier ones; those outlive the generation
// they came with for as long as they are used.
//
// Who writes: root, if root may; else the job's user, if the directory <uid> is his. What users can reach is believed
// only as far as it is authenticated.
//
// Every call may block as long as the file system does: call it from a worker process. No call keeps anything open.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/file_identity.h"
#include "common/file_system.h"
#include "common/manifest.h"
#include "common/page_map.h"
#include "common/result.h"
#include "common/store_memory.h"
#include "common/stream_codec.h"

namespace stasis {

struct Generation {
  std::uint32_t number = 0;
  std::string directory;
  std::uint64_t bytes = 0;  // written to the store for it; known after publish() only
};

// Streams whose names begin so can be used by later generations, and get a file of their own.
inline constexpr char kSharedPrefix[] = "shared-";

// How many threads to read memory with where so many of the processors have other things to do: more than are left only
// get into each other's way, and many more than a disk is fast.
int threads_for_pages(int busy = 0);

class CheckpointStore;

// A generation being written, under its hidden name. Destroyed unpublished, it removes what there is of it.
class Publication {
 public:
  Publication(Publication&&) noexcept = default;
  Publication& operator=(Publication&&) = delete;
  ~Publication();

  // A new file for one stream alone, which the manifest given to publish() must name, with a file of the same name. To
  // be synced by who writes it.
  Result<std::unique_ptr<OutputFile>> create(const std::string& name);
  // Adds every file of the directory `images` that does not begin with '.', and makes the generation visible.
  // `manifest` is that given to CheckpointStore::begin(), its `streams` being what is taken over from earlier
  // generations (their names begin with kSharedPrefix) and what was made with create(). Durable on return. On failure
  // nothing of it is visible and the others still stand.
  Result<Generation> publish(int images, Manifest manifest, Compression compression = {});

 private:
  friend class CheckpointStore;
  Publication(const CheckpointStore& store, std::shared_ptr<FileSystem> files, std::string hidden, std::string target)
      : store_(&store), files_(std::move(files)), hidden_(std::move(hidden)), target_(std::move(target)) {}

  const CheckpointStore* store_;
  std::shared_ptr<FileSystem> files_;  // nullptr: there is nothing to remove
  std::string hidden_, target_;
};

class CheckpointStore {
 public:
  CheckpointStore(std::string root, Keys keys);
  CheckpointStore(std::string root, Keys keys, std::shared_ptr<FileSystem> files);

  // A store of the same keys in a directory of a user's, in which nothing is done but with that user's rights.
  CheckpointStore at_users(const std::string& directory, const FileIdentity& user) const;

  // Every job of that id and user there is something of, oldest first; none is no error.
  Result<std::vector<JobKey>> jobs(const std::string& cluster, uid_t uid, std::uint32_t job) const;
  // Every job of every user, for the janitor.
  Result<std::vector<JobKey>> all_jobs(const std::string& cluster) const;

  // The parts of that job there is something of, by name.
  Result<std::vector<std::string>> parts(const JobKey& job) const;
  // What is published of that part, oldest first. Nothing is opened: they may be damaged.
  Result<std::vector<Generation>> generations(const JobKey& job, const std::string& part) const;
  // The newest whose manifest is whole. nullopt: there is none at all. Error: there are, and none can be used.
  Result<std::optional<Generation>> newest(const JobKey& job, const std::string& part) const;

  // What was set aside of that part, oldest first: nothing goes on from it, and all it is made of stays.
  Result<std::vector<Generation>> set_aside(const JobKey& job, const std::string& part) const;
  // The number of the next generation: above all there are, those set aside included.
  Result<std::uint32_t> next_number(const JobKey& job, const std::string& part) const;
  // Sets a generation aside, and undoes it. not_found: it is not there to begin with.
  Result<void> put_aside(const JobKey& job, const std::string& part, std::uint32_t number) const;
  Result<void> bring_back(const JobKey& job, const std::string& part, std::uint32_t number) const;

  // Begins generation `manifest.number`, which must be new; of `manifest` only whose it is counts yet. The store
  // outlives what is returned.
  Result<Publication> begin(const Manifest& manifest) const;
  // Begins and publishes.
  Result<Generation> publish(int images, Manifest manifest, Compression compression = {}) const;

  // corrupt, or unsupported: use the one before. It must be of that job, part and number.
  Result<Manifest> read(const Generation& generation, const JobKey& job, const std::string& part) const;
  // Reads all of it, and fails as read() does.
  Result<Manifest> verify(const Generation& generation, const JobKey& job, const std::string& part) const;
  // Copies a generation into the empty local directory `into`, checking every byte on the way, in two steps. All but
  // the memory: only what the manifest names is there afterwards. `map` is what the images of the memory are made of.
  struct Fetched {
    Manifest manifest;
    PageMap map;
  };
  Result<Fetched> fetch_all_but_memory(const Generation& generation, const JobKey& job, const std::string& part,
                                       int into) const;
  // And the memory, which `progress` is told of: of its failure, too, so that nobody waits for what does not come.
  Result<void> fetch_memory(const Fetched& fetched, const PutPages& put, const PageObserver& observer,
                            ImageProgress& progress, int threads) const;
  // Of a manifest that read() gave. Empty when it was made of none.
  Result<PageMap> memory_map(const Manifest& manifest) const;

  // Removes all but the newest `keep`, and what is left of publications that were cut off. Never a generation of a
  // format this program does not know or one set aside, and no stream that one of those kept or set aside uses.
  Result<void> prune(const JobKey& job, const std::string& part, int keep) const;
  Result<void> remove_part(const JobKey& job, const std::string& part) const;
  // Removes the job altogether. To be called again when it fails.
  Result<void> remove(const JobKey& job) const;

  // A restore of that part was tried on `node` in vain, in the run after `restarts` requeues. Returns how often that
  // has happened since the last forget_failed_restores().
  Result<int> note_failed_restore(const JobKey& job, const std::string& part, std::uint32_t restarts,
                                  const std::string& node) const;
  Result<void> forget_failed_restores(const JobKey& job, const std::string& part) const;
  // The job cannot go on on `node`, as long as that is what it is.
  Result<void> note_unfit_node(const JobKey& job, const std::string& node) const;
  Result<std::vector<std::string>> unfit_nodes(const JobKey& job) const;

  // Bytes that can still be written. A quota may allow less.
  Result<std::uint64_t> free_space() const;
  // Since something was last published of the job or removed of it.
  Result<std::chrono::seconds> idle_for(const JobKey& job) const;

  std::string job_directory(const JobKey& job) const;
  const Keys& keys() const { return keys_; }

 private:
  friend class Publication;
  std::string user_directory(const std::string& cluster, uid_t uid) const;
  std::string part_directory(const JobKey& job, const std::string& part) const;
  Result<std::vector<Generation>> named(const JobKey& job, const std::string& part,
                                        std::optional<std::uint32_t> (*parse)(std::string_view)) const;
  Result<std::optional<DirectoryFacts>> user_directory_facts(const std::string& path, uid_t uid) const;
  // The storage with the rights that count for that user's directory.
  Result<std::shared_ptr<FileSystem>> files_for(const std::string& cluster, uid_t uid) const;
  Result<std::shared_ptr<FileSystem>> make_directories(const Manifest& manifest) const;
  Result<void> make_shared_directory(const std::string& path) const;
  Result<bool> is_root_nobody_in(const std::string& directory, const Manifest& manifest) const;
  Result<void> make_user_directory(const Manifest& manifest) const;
  Result<Manifest> read_with(FileSystem& files, const Generation& generation, const JobKey& job,
                             const std::string& part) const;
  Result<void> write_generation(FileSystem& files, int images, const std::string& hidden, Manifest& manifest,
                                Compression compression) const;
  Result<void> remove_tree(FileSystem& files, const std::string& directory) const;

  std::string root_;
  Keys keys_;
  std::shared_ptr<FileSystem> files_;
};

}  // namespace stasis
