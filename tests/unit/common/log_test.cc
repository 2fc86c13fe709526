// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "common/unique_fd.h"

namespace stasis {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }

  std::string logged() const {
    std::array<char, 4096> block{};
    const ssize_t n = ::read(read_end.get(), block.data(), block.size());
    return n > 0 ? std::string(block.data(), static_cast<std::size_t>(n)) : "";
  }

  UniqueFd read_end;
  UniqueFd write_end;
};

TEST_F(LogTest, WritesOneLineWithTheProgramsName) {
  const Log log("stasisd", write_end.get());
  log.info("job={} dump done {} in {:.1f} s", "812.0", "3.1 GiB", 4.2);
  EXPECT_EQ(logged(), "stasisd: job=812.0 dump done 3.1 GiB in 4.2 s\n");
}

TEST_F(LogTest, TellsTheJournalHowUrgentItIs) {
  const Log log("stasisd", write_end.get(), Log::Prefix::journal);
  log.error("a");
  log.warning("b");
  log.notice("c");
  log.info("d");
  EXPECT_EQ(logged(), "<3>stasisd: a\n<4>stasisd: b\n<5>stasisd: c\n<6>stasisd: d\n");
}

TEST_F(LogTest, DropsWhatIsLessUrgentThanAskedFor) {
  const Log log("x", write_end.get());
  log.debug("no");
  EXPECT_EQ(logged(), "");
  const Log chatty("x", write_end.get(), Log::Prefix::plain, LogLevel::debug);
  chatty.debug("yes");
  EXPECT_EQ(logged(), "x: yes\n");
}

TEST_F(LogTest, NobodyForgesALine) {
  const Log log("stasisd", write_end.get());
  log.info("job name {}", "x\nstasisd: job=1 dump done\x1b[31m");
  EXPECT_EQ(logged(), "stasisd: job name x\\x0astasisd: job=1 dump done\\x1b[31m\n");
}

TEST_F(LogTest, AListenerHearsWhatIsWritten) {
  Log log("x", write_end.get());
  std::string heard;
  log.listen([&heard](LogLevel level, std::string_view line) {
    heard += std::to_string(static_cast<int>(level)) + " " + std::string(line) + "\n";
  });
  log.warning("a {}", "b\n");
  log.debug("dropped");
  EXPECT_EQ(heard, "4 a b\\x0a\n");
}

TEST_F(LogTest, SurvivesAStreamThatIsGone) {
  const Log log("x", -1);
  log.error("nobody reads this");
  EXPECT_EQ(logged(), "");
}

TEST(Printable, LeavesTextOfAnyLanguageAlone) {
  EXPECT_EQ(printable("Rechnung für Łódź.txt"), "Rechnung für Łódź.txt");
  EXPECT_EQ(printable("a\tb\x7f"), "a\\x09b\\x7f");
}

TEST(FormatSize, HasOneDecimalAndTheFittingUnit) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(1024), "1.0 KiB");
  EXPECT_EQ(format_size(3328599654ULL), "3.1 GiB");
  EXPECT_EQ(format_size(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_size(~0ULL), "16384.0 PiB");
}

}  // namespace
}  // namespace stasis
