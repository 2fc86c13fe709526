// SPDX-License-Identifier: Apache-2.0
// manifest.h - what a generation is: whose, made where and when, and every stream of bytes in it. docs/formats/store.md
// tells the format with an example.
//
//   stasis-manifest FORMAT KEY-ID CODE
//   { JSON }
//
// CODE is the HMAC-SHA-256 of everything behind the first line, preceded by FORMAT and a newline. The first line is
// read before anything else is believed, and a FORMAT this program does not know is refused by its number.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "common/keys.h"
#include "common/result.h"
#include "common/stream_codec.h"

namespace stasis {

inline constexpr int kManifestFormat = 1;

// One run of a job through all its requeues. Slurm gives a job id again one day, and a requeue changes the submit
// time: the start of the job's first protected run is what stays.
struct JobKey {
  std::string cluster;
  uid_t uid = 0;
  std::uint32_t job = 0;
  std::time_t first_start = 0;

  friend bool operator==(const JobKey&, const JobKey&) = default;
};

// One named stream and where it is kept. Several share a file; and a generation may have streams of an earlier one, so
// that what has not changed is not written again.
struct ManifestStream {
  std::string name;          // no '/', not beginning with '.'
  EncodedStream data;        // what it is, and how it is stored
  std::string file;          // in the directory of that generation
  std::uint64_t offset = 0;  // in the file
  std::uint32_t generation = 0;

  friend bool operator==(const ManifestStream&, const ManifestStream&) = default;
};

struct Manifest {
  JobKey job;
  std::string part;  // "batch", "0.3": which of the job's trees
  std::uint32_t number = 0;
  std::time_t made_at = 0;
  std::uint32_t restarts = 0;  // of the run it was made in
  std::string reason;          // interval, requeue, preempted, ...
  gid_t gid = 0;
  pid_t root = 0;
  std::array<std::string, 3> stdio;  // what the task was given by Slurm, as links in /proc
  std::string node;
  std::string kernel;
  std::string cpu;  // cpu_features.h
  std::string criu;
  std::string command;   // of a step: only the same command goes on from it
  std::string excluded;  // nodes the user excluded, for Stasis adds its own wishes to that list
  std::vector<ManifestStream> streams;

  const ManifestStream* stream(std::string_view name) const;

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

std::string write_manifest(const Manifest& manifest, const Keys& keys);
// unsupported: a format or key this node does not know. corrupt: anything else that is not exactly right. Reads no more
// of the text than it must before it is authenticated.
Result<Manifest> read_manifest(std::string_view text, const Keys& keys);
// What is behind the first line, once that has been checked. Any bytes may come.
Result<Manifest> parse_manifest_body(std::string_view json);

}  // namespace stasis
