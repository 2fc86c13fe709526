// SPDX-License-Identifier: Apache-2.0
// closed_connections.h - ports that nobody has any more, and that the kernel keeps all the same.
//
// A connection stays with the end that closed it for a minute (TIME_WAIT), lest what is left of it on the network be
// taken for a later one's, and as long no socket gets its port that did not share it from the beginning. A job that
// comes back to a node within this minute would find its own ports taken by itself.
#pragma once

#include <vector>

#include "common/node_addresses.h"
#include "common/result.h"

namespace stasis {

struct Port {
  AddressWords address;
  unsigned number = 0;

  // Whether a socket that is bound to this one keeps another from it: at the same address, or at all of them.
  bool meets(const Port& other) const;
};

// Ends the closed connections of this network namespace that keep any of `ports` back. Their number; those that the
// kernel does not end are not counted.
int end_closed_connections(const std::vector<Port>& ports);

// For the TCP sockets in the images of a checkpoint.
Result<int> end_closed_connections(int images);

}  // namespace stasis
