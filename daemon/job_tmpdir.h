// SPDX-License-Identifier: Apache-2.0
// job_tmpdir.h - a job's own directory on a disk of its node, outside of /tmp: what many sites' prologs make and name
// in $TMPDIR. It travels with the job like its private /tmp.
//
// Where $TMPDIR leads is the job's word. Only a directory is taken that is the user's, that is called after the job
// (any number in its path is the job's id), so that it is no other's as well, and that is on a file system of this
// node.
#pragma once

#include <optional>

#include "common/file_identity.h"
#include "daemon/run.h"
#include "daemon/scratch.h"

namespace stasis {

// nullopt: there is none, or none that needs to travel.
std::optional<ScratchDirectory> open_job_tmpdir(const Run& run, const FileIdentity& user);

// The directory `path`, for a job that had it elsewhere: as the site has made it here, or else made by its user.
Result<ScratchDirectory> make_job_tmpdir(const Run& run, const std::string& path, const FileIdentity& user);

// Whether `path` is absolute, has nothing odd in it, is none of the capsule's own, and a number in it is `job`'s id.
bool is_called_after(const std::string& path, const TaskFacts& job);

}  // namespace stasis
