// SPDX-License-Identifier: Apache-2.0
// socket_translation.h - the network sockets of a job that goes on on another node.
//
// Sockets that the job's processes have among themselves come back as they were; where they go by an address of the old
// node, the new node's takes its place. What was connected to anything outside of the job is closed: the other end
// does not know the new node. Its program gets an error at the next read or write, not an end of file, which it could
// take for the end of what it was sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/node_addresses.h"
#include "common/result.h"

namespace stasis {

struct TranslatedSockets {
  std::string image;  // files.img; as it was, if nothing had to be changed
  int moved = 0;
  std::vector<std::string> closed;  // "10.0.0.7:5432"
};

Result<TranslatedSockets> translate_sockets(std::string_view files_image, const AddressTranslation& translation);

// In the images of a checkpoint: which addresses the node has, and what became of the sockets by that.
Result<void> note_addresses(int images);
Result<std::vector<std::string>> move_sockets(int images);

}  // namespace stasis
