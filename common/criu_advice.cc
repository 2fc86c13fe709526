// SPDX-License-Identifier: Apache-2.0
#include "common/criu_advice.h"

namespace stasis {
namespace {

struct Known {
  std::string_view words;  // in the line, between its numbers and names
  std::string_view advice;
};

// The first that fits counts. In the order in which a job's life meets them: its dump, then its restore.
constexpr Known kKnown[] = {
    // ---- of a moment
    {"In-flight connection", "a connection was just being made; the next checkpoint will do"},
    {"The socket has data to read", "the kernel was just telling the program something; the next checkpoint will do"},
    {"found while seizing", "a process was just ending; the next checkpoint will do"},
    {"Zombie thread not supported", "a thread was just ending, or the main one has ended before the others"},
    {"Individually stopped threads", "a debugger holds single threads still: let them go on"},
    {"Non-empty write queue on an in-flight socket", "a connection was just being made; the next checkpoint will do"},
    {"Timeout reached", "the job did not stand still in time: dump_timeout in stasis.yaml is too short for it"},
    // ---- sockets
    {"MPTCP", "multipath TCP cannot be carried; for programs in Go: GODEBUG=multipathtcp=0"},
    {"multipathtcp", "multipath TCP cannot be carried; for programs in Go: GODEBUG=multipathtcp=0"},
    {"Can't dump half of stream unix connection",
     "a process is connected to a service outside of the job by a Unix socket: have it closed when a checkpoint is "
     "due"},
    {"External socket is used",
     "a process is connected to a service outside of the job by a Unix socket: have it closed when a checkpoint is "
     "due"},
    {"Can't dump name-less external socket",
     "a process is connected to one outside of the job by a Unix socket: have it closed when a checkpoint is due"},
    {"Can't dump corked dgram socket", "a datagram was just being put together; the next checkpoint will do"},
    {"Unsupported socket family",
     "CRIU knows no sockets of that kind: RDMA and the kernel's cryptography are such kinds"},
    {"Unsupported proto", "CRIU knows no sockets of that kind: raw ones and SCTP are such kinds"},
    {"Unsupported socket type", "CRIU knows no sockets of that kind"},
    // ---- files and memory
    {"Can't dump ghost file", "a file that was deleted while it is open is too large to be carried: keep it a name"},
    {"Can't handle non-regular mapping", "memory of a device is mapped: GPUs and fast networks have such memory"},
    {"Unsupported mapping found", "memory of a kind that CRIU does not know is mapped"},
    {"has uprobes vma", "somebody traces the program with the kernel's probes: end that first"},
    {"Unknown shit", "a file of a kind that CRIU does not know is open"},
    {"Can't dump file", "a file of a kind that CRIU does not know is open"},
    {"Open files on overmounted mounts", "a file is open below a place where something else is mounted now"},
    {"pidfd pid", "a process holds a handle of one outside of the job"},
    {"PIDFD_THREAD", "a process holds a handle of a thread, which this CRIU cannot carry"},
    // ---- containers, terminals
    {"Nested mount namespaces", "containers and sandboxes that a job makes for itself cannot be carried"},
    {"autodetected external mount", "something is mounted inside of the job that is not there where it goes on"},
    {"Can't dump nested", "containers and sandboxes that a job makes for itself cannot be carried"},
    {"A session leader of", "a process hangs on a terminal or a session outside of the job: start it with setsid"},
    {"Found dangling tty", "a process hangs on a terminal whose other end is outside of the job: start it without one"},
    {"ctty inheritance", "a process hangs on a terminal outside of the job: start it without one"},
    {"but kernel lacks", "this node's kernel is too old for that"},
    {"because kernel commit", "this node's kernel is too old for that"},
    // ---- where it goes on
    {"capabilities do not match run time", "this node's processor lacks what the program has been using"},
    {"has bad size",
     "that file was another one where the job was: programs and libraries have to be the same on all nodes"},
    {"has bad build-ID",
     "that file was another one where the job was: programs and libraries have to be the same on all nodes"},
    {"has bad mode", "that file's permissions have changed since the checkpoint"},
    {"Can't bind inet socket", "a program on this node has that port, or had it a minute ago"},
    {"couldn't find ifindex", "this node has no network interface of that name"},
    {"on restore: No such file or directory",
     "that file is not there: only what is on shared storage is the same on all nodes"},
    {"Can't open file", "that file cannot be opened here: only what is on shared storage is the same on all nodes"},
    {"Can't fork for", "a process number of the job is taken, or this node allows no more processes"},
};

}  // namespace

std::string_view advice_for_criu_error(std::string_view line) noexcept {
  for (const Known& known : kKnown) {
    if (line.find(known.words) != std::string_view::npos) return known.advice;
  }
  return {};
}

}  // namespace stasis
