// SPDX-License-Identifier: Apache-2.0
// script_place.h - a batch script is in a directory of slurmd's that has the job's number in its name, and a shell
// keeps it open. A job that goes on under another number finds it in another place.
#pragma once

#include <string>
#include <string_view>

#include "common/job_ref.h"
#include "common/ledger.h"
#include "common/result.h"

namespace stasis {

// The files.img of CRIU's with `place` in it for the script of job `was`.
Result<std::string> move_script_in_image(std::string_view files_image, JobId was, const std::string& place);

// In the images and in the ledger: what is at `place`, the new job's script, becomes what the script of job `was` was.
// unsupported: nobody knows what that was.
Result<void> move_script(int images, Ledger& ledger, JobId was, const std::string& place);

}  // namespace stasis
