// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

TEST(Table, ColumnsAreAsWideAsWhatIsInThem) {
  Table table({"JOB", ">SIZE", "NODE"});
  table.add({{"812"}, {"1.5 GiB"}, {"n1"}});
  table.add({{"8"}, {""}, {"n22"}});
  EXPECT_EQ(table.text({}),
            "JOB     SIZE  NODE\n"
            "812  1.5 GiB  n1\n"
            "8          -  n22\n");
}

TEST(Table, ColourTakesNoRoom) {
  Terminal terminal;
  terminal.colour = true;
  Table table({"A", "B"});
  table.add({{"x", Ink::bad}, {"y"}});
  EXPECT_EQ(table.text(terminal), "\x1b[2mA\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[31mx\x1b[0m  y\n");
}

TEST(ShortTime, ShowsTheTwoLargestUnits) {
  for (const auto& [seconds, text] : std::initializer_list<std::pair<long long, const char*>>{{-5, "0s"},
                                                                                              {0, "0s"},
                                                                                              {59, "59s"},
                                                                                              {60, "1m"},
                                                                                              {95, "1m35s"},
                                                                                              {700, "11m"},
                                                                                              {3600, "1h"},
                                                                                              {7800, "2h10m"},
                                                                                              {86400, "1d"},
                                                                                              {270000, "3d3h"}}) {
    EXPECT_EQ(short_time(seconds), text);
  }
}

}  // namespace
}  // namespace stasis
