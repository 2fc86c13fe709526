// SPDX-License-Identifier: Apache-2.0
#include "daemon/socket_translation.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

constexpr char kAddresses[] = "addresses";
constexpr char kFiles[] = "files.img";

using End = std::pair<AddressWords, std::uint32_t>;
using Words = google::protobuf::RepeatedField<std::uint32_t>;

AddressWords words_of(const Words& field) { return {field.begin(), field.end()}; }
// CRIU has had IPv4 addresses in four words, too: what is behind the first is kept.
AddressWords address_of(const criu::InetSocket& socket, const Words& field) {
  AddressWords words = words_of(field);
  if (socket.family() == AF_INET && !words.empty()) words.resize(1);
  return words;
}
End source(const criu::InetSocket& socket) { return {address_of(socket, socket.src_addr()), socket.src_port()}; }
End destination(const criu::InetSocket& socket) { return {address_of(socket, socket.dst_addr()), socket.dst_port()}; }

bool is_connection(const criu::InetSocket& socket) { return socket.proto() == IPPROTO_TCP && socket.dst_port() != 0; }

std::string readable(const End& end) {
  const std::string address = to_string(end.first);
  return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + std::to_string(end.second);
}

class Translator {
 public:
  Translator(std::vector<criu::File>& files, const AddressTranslation& translation)
      : files_(files), translation_(translation) {
    for (const auto& file : files_) {
      if (file.has_isk() && is_connection(file.isk())) ends_.insert({source(file.isk()), destination(file.isk())});
    }
  }

  TranslatedSockets translate() {
    for (auto& file : files_) {
      if (!file.has_isk()) continue;
      criu::InetSocket& socket = *file.mutable_isk();
      if (is_connection(socket) && leads_outside(socket)) {
        result_.closed.push_back(readable(destination(socket)));
        close(socket);
      } else if (translate(socket)) {
        ++result_.moved;
      }
    }
    return std::move(result_);
  }

 private:
  // One whose other end is closed already, and was within the job, may have something left to be read.
  bool leads_outside(const criu::InetSocket& socket) const {
    if (ends_.count({destination(socket), source(socket)}) != 0) return false;
    if (!translation_.is_local(destination(socket).first)) return true;
    return socket.state() == TCP_ESTABLISHED || socket.state() == TCP_SYN_SENT;
  }

  // To CRIU a socket that was never connected.
  static void close(criu::InetSocket& socket) {
    socket.set_state(TCP_CLOSE);
    socket.set_src_port(0);
    socket.set_dst_port(0);
    socket.clear_shutdown();
    for (auto* field : {socket.mutable_src_addr(), socket.mutable_dst_addr()})
      std::fill(field->begin(), field->end(), 0);
  }

  bool translate(criu::InetSocket& socket) const {
    const bool here = translate(socket, source(socket).first, *socket.mutable_src_addr());
    const bool there = translate(socket, destination(socket).first, *socket.mutable_dst_addr());
    return here || there;
  }

  bool translate(criu::InetSocket& socket, const AddressWords& address, Words& field) const {
    const auto now = translation_.translate(address);
    if (!now) return false;
    std::copy(now->words.begin(), now->words.end(), field.begin());
    if (socket.has_ifname()) socket.set_ifname(now->interface);
    return true;
  }

  std::vector<criu::File>& files_;
  const AddressTranslation& translation_;
  std::set<std::pair<End, End>> ends_;
  TranslatedSockets result_;
};

}  // namespace

Result<TranslatedSockets> translate_sockets(std::string_view files_image, const AddressTranslation& translation) {
  STASIS_LET(auto entries, read_criu_image(files_image, kCriuFilesMagic));
  std::vector<criu::File> files(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!files[i].ParseFromString(entries[i])) return fail(ErrorKind::corrupt, "files.img: an entry that is none");
  }
  TranslatedSockets result = Translator(files, translation).translate();
  result.image = files_image;
  if (result.moved == 0 && result.closed.empty()) return result;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (files[i].has_isk()) entries[i] = files[i].SerializeAsString();
  }
  result.image = write_criu_image(entries, kCriuFilesMagic);
  return result;
}

Result<void> note_addresses(int images) {
  STASIS_LET(const auto addresses, own_addresses());
  return write_images_file(images, kAddresses, write_node_addresses(addresses));
}

Result<std::vector<std::string>> move_sockets(int images) {
  const auto then = read_images_file(images, kAddresses);
  // A checkpoint of a version that did not note them: all it can do is to go on where it was.
  if (!then && then.error().kind == ErrorKind::not_found) return std::vector<std::string>();
  if (!then) return fail(then.error());
  STASIS_LET(const std::string image, read_images_file(images, kFiles));
  STASIS_LET(auto now, own_addresses());
  STASIS_LET(TranslatedSockets done,
             in_context("files.img",
                        translate_sockets(image, AddressTranslation(parse_node_addresses(*then), std::move(now)))));
  if (done.image != image) STASIS_TRY(write_images_file(images, kFiles, done.image));
  return std::move(done.closed);
}

}  // namespace stasis
