// SPDX-License-Identifier: Apache-2.0
#include "common/criu_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "common/unique_fd.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

// Of criu 4.1, shortened.
constexpr char kFailedDump[] =
    "(00.000000) Version: 4.1.1 (gitid 0)\n"
    "(00.000012) Running on n1 Linux 6.12.0\n"
    "(00.000150) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory\n"
    "(00.000213) Warn  (criu/kerndat.c:1236): CAP_CHECKPOINT_RESTORE\n"
    "(00.011234) 1000 fdinfo 3: pos: 0 flags: 2/0\n"
    "(00.011840) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-established option.\n"
    "(00.011870) ----------------------------------------\n"
    "(00.011899) Error (criu/cr-dump.c:1674): Dump files (pid: 1001) failed with -1\n"
    "(00.012400) Unlock network\n"
    "(00.014210) Error (criu/cr-dump.c:2098): Dumping FAILED.\n"
    "(00.014300) Error (criu/cr-dump.c:9999): a fourth line\n";

UniqueFd open_directory(const TempDirectory& directory) {
  return UniqueFd(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

TEST(CriuLog, IsToldByItsFirstThreeErrorsWithoutTimesAndSources) {
  EXPECT_EQ(explain_criu_text(kFailedDump),
            "inet: Connected TCP socket, consider using --tcp-established option.; "
            "Dump files (pid: 1001) failed with -1; Dumping FAILED.");
}

TEST(CriuLog, TellsAFullDiskFromAJobThatCannotBeDumped) {
  EXPECT_TRUE(criu_was_out_of_space("criu: Can't dump page with parasite; write: No space left on device"));
  EXPECT_TRUE(criu_was_out_of_space("criu: Disk quota exceeded"));
  EXPECT_FALSE(criu_was_out_of_space("criu: Unsupported fd 5 anon_inode:[io_uring]"));
}

struct Known {
  const char* line;
  const char* begins;
};

// Lines as criu 4.1 and 4.2 write them.
TEST(CriuLog, SaysWhatKnownLinesMeanBeforeThem) {
  for (const auto& [line, begins] : {
           Known{"sk-inet.c:237): inet: In-flight connection (l) for 4f21", "a connection was just being made"},
           Known{"sk-unix.c:870): unix: Can't dump half of stream unix connection. name: (null); peer name: /run/nscd",
                 "a process is connected to a service outside of the job by a Unix socket"},
           Known{"files-reg.c:988): Can't dump ghost file /home/alice/x of 2147483648 size, increase limit",
                 "a file that was deleted while it is open is too large"},
           Known{"proc_parse.c:651): Can't handle non-regular mapping on 1001's map 7f0000000000",
                 "memory of a device is mapped"},
           Known{"sockets.c:780): BUG! Unknown socket collected (family 38)", ""},
           Known{"sockets.c:871): sockets: Unsupported socket family: 38", "CRIU knows no sockets of that kind"},
           Known{"files-reg.c:2175): File /usr/bin/python3.11 has bad size 6831736 (expect 6831704)",
                 "that file was another one where the job was"},
           Known{"files-reg.c:2353): Can't open file local/data on restore: No such file or directory",
                 "that file is not there"},
           Known{"sk-inet.c:1032): inet: Can't bind inet socket (id 3): Address already in use",
                 "a program on this node has that port, or had it a minute ago"},
           Known{"cr-restore.c:1230): Can't fork for 1003: File exists", "a process number of the job is taken"},
           Known{"cpu.c:297): CPU capabilities do not match run time", "this node's processor lacks"},
       }) {
    const std::string said = explain_criu_text(std::string("(00.01) Error (criu/") + line + "\n");
    const std::string words = std::string(line).substr(std::string(line).find("): ") + 3);
    EXPECT_EQ(said.rfind(begins, 0), 0U) << said;
    EXPECT_NE(said.find(words), std::string::npos) << said;
  }
}

TEST(CriuLog, SaysWhatItMeansOfTheFirstLineThatIsKnown) {
  EXPECT_EQ(
      explain_criu_text("(00.1) Error (criu/a.c:1): something else\n(00.2) Error (criu/sk-inet.c:9): inet: In-flight "
                        "connection (l) for 1\n"),
      "a connection was just being made; the next checkpoint will do (something else; inet: In-flight connection (l) "
      "for "
      "1)");
}

TEST(CriuLog, OfASuccessSaysNothing) {
  EXPECT_EQ(
      explain_criu_text("(00.000150) Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory\n"
                        "(00.000160) Error (criu/rlimit.c:28): rlimit: Can't setup RLIMIT_NOFILE for self\n"
                        "(00.011834) Dumping finished successfully\n"),
      "");
  EXPECT_EQ(explain_criu_text(""), "");
}

TEST(CriuLog, MayEndInTheMiddleOfALine) {
  const std::string log = kFailedDump;
  for (std::size_t length = 0; length < log.size(); ++length) {
    EXPECT_LE(explain_criu_text(std::string_view(log).substr(0, length)).size(), log.size() + 200);
  }
  EXPECT_EQ(explain_criu_text("(00.1) Error (criu/x.c:1): the end is miss"), "the end is miss");
  EXPECT_EQ(explain_criu_text("(00.1) Error (criu/x.c:1"), "");
}

TEST(CriuLog, IsReadFromTheDirectoryOfTheImages) {
  const TempDirectory directory;
  directory.write("dump.log", kFailedDump);
  EXPECT_EQ(explain_criu_log(open_directory(directory).get(), "dump.log").rfind("criu: inet: Connected TCP socket", 0),
            0U);
}

TEST(CriuLog, ThatIsNotThereIsReplacedByWhatCriuPrinted) {
  const TempDirectory directory;
  directory.write("criu.out", "criu: error while loading shared libraries: libnet.so.9\nmore\n");
  EXPECT_EQ(explain_criu_log(open_directory(directory).get(), "dump.log"),
            "criu: criu: error while loading shared libraries: libnet.so.9");
}

TEST(CriuLog, ThatIsNotThereAndNoOutputEitherIsSaidToBeSo) {
  const TempDirectory directory;
  EXPECT_EQ(explain_criu_log(open_directory(directory).get(), "dump.log"), "criu failed without a word");
  directory.write("dump.log", "(00.011834) all is well\n");
  directory.write("criu.out", "");
  EXPECT_EQ(explain_criu_log(open_directory(directory).get(), "dump.log"), "criu failed without a word");
}

}  // namespace
}  // namespace stasis
