// SPDX-License-Identifier: Apache-2.0
// leftovers.h - what runs that ended while no daemon was there have left on this node's disk: private /tmp directories
// and images that were on their way. Runs in a worker.
#pragma once

#include <set>
#include <string>

#include "common/config.h"
#include "common/deadline.h"

namespace stasis {

// Removes what no living capsule uses, however it lost its daemon: a /tmp that is mounted anywhere stays, and so does a
// run's directory that somebody holds locked, or that is in `living`: those of the runs the daemon knows. Returns how
// many things it removed.
int remove_leftovers(const Config& config, const std::set<std::string>& living);

// A run's images on their way. False: somebody is at work on them still.
bool remove_run_directory(const std::string& directory);

// The holder of a capsule's private /tmp, as its init names it. Removes it as soon as it is mounted nowhere
// any more: the shim, which is in the capsule's mount namespace, ends after init. False: it is still there then.
bool remove_tmp_holder(const std::string& holder, Deadline patience);

}  // namespace stasis
