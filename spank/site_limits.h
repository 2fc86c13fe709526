// SPDX-License-Identifier: Apache-2.0
// site_limits.h - is an interval within what the administrator allows? Asked when a job is submitted, while the user
// can still change it.
//
// The limits are in stasis.yaml, and reading that takes a library that has no place in sbatch: the CLI is asked, in a
// process of its own. Where it cannot answer nobody is kept from submitting; the daemon applies the limits in any case.
#pragma once

#include <string>
#include <vector>

namespace stasis {

// A sentence for the user, or empty. `words` is sbatch's command line, where the partition may be; without one only
// what no partition allows is refused.
std::string site_complaint(const std::string& interval, const std::vector<std::string>& words);

// As --partition, -p and $SBATCH_PARTITION say; empty: not said there, or several.
std::string partition_of(const std::vector<std::string>& words);

}  // namespace stasis
