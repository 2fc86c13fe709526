// SPDX-License-Identifier: Apache-2.0
// results.h - RESULT_FOLDER: what a job that ended well leaves in its local directory is copied to where its user said,
// before that directory goes with the job.
#pragma once

#include <string>

namespace stasis {

// Copies all that is in the directory `from` into `folder`, which is made if its parent is there, by cp(1), with the
// rights of whoever calls. All signals must be blocked; one that ends a program by default ends the copying.
// Returns how the caller should end, as waitpid() puts it: 0 when everything is copied. Otherwise somebody has said why
// on stderr.
int copy_results(const std::string& from, const std::string& folder);

}  // namespace stasis
