// SPDX-License-Identifier: Apache-2.0
// files_as.h - how the daemon tells the plugin in criu (criu/plugin.cc) whose rights reach the job's files.
#pragma once

namespace stasis {

// A file among the images: "UID GID [GROUP...]" and a newline, all in decimal. Its dot keeps it out of the store.
inline constexpr char kFilesAs[] = ".files-as";

}  // namespace stasis
