// SPDX-License-Identifier: Apache-2.0
// criu_log.h - what criu's log says about why it failed.
#pragma once

#include <string>
#include <string_view>

namespace stasis {

// The error lines of the log in `directory`, joined, the first of them first: it is the cause most often. Before them
// what they mean, as far as that is known.
std::string explain_criu_log(int directory, const char* name);
std::string explain_criu_text(std::string_view log);

// Of such an explanation: was it the disk, and nothing about the job?
bool criu_was_out_of_space(std::string_view explanation);

}  // namespace stasis
