// SPDX-License-Identifier: Apache-2.0
// fake_criu.h - criu's end of the socket among the images, as `--stream` has it.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "common/criu_pages.pb.h"
#include "common/unique_fd.h"

namespace stasis {

class FakeCriu {
 public:
  explicit FakeCriu(const std::string& path) : line_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(line_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  int line() const { return line_.get(); }
  void hang_up() { line_.reset(); }

  void name(const std::string& image) const {
    criu::StreamedImage message;
    message.set_filename(image);
    const std::string text = message.SerializeAsString();
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += text;
    EXPECT_EQ(::send(line_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void send(int descriptor) const {
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    EXPECT_EQ(::sendmsg(line_.get(), &message, 0), 1);
  }

 private:
  UniqueFd line_;
};

}  // namespace stasis
