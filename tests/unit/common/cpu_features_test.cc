// SPDX-License-Identifier: Apache-2.0
#include "common/cpu_features.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

TEST(CpuFeatures, AreThoseThatProgramsUse) {
  EXPECT_EQ(
      parse_cpu_features("processor\t: 0\nvmx flags\t: vnmi avx9\nflags\t\t: fpu vme erms avx2 smep aes avx512_vbmi2 "
                         "hypervisor fma sse4_2 xsaves\nbugs\t\t: spectre_v1\n\nprocessor\t: 1\nflags\t\t: rtm\n"),
      "aes avx2 avx512_vbmi2 fma sse4_2");
}

TEST(CpuFeatures, OfArmAreAll) {
  EXPECT_EQ(
      parse_cpu_features("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd sve atomics\nCPU part\t: 0xd40\n"),
      "asimd atomics fp sve");
}

TEST(CpuFeatures, AreNotKnownWhereTheKernelDoesNotTell) {
  EXPECT_EQ(parse_cpu_features(""), "");
  EXPECT_EQ(parse_cpu_features("processor : 0\nflags"), "");
  EXPECT_EQ(parse_cpu_features("flags\t:"), "");
}

TEST(CpuFeatures, OfThisNodeAreKnown) { EXPECT_NE(cpu_features(), ""); }

TEST(CpuFeatures, MayBeMissing) {
  EXPECT_EQ(missing_features("aes avx avx2 fma", "aes avx"), "avx2, fma");
  EXPECT_EQ(missing_features("aes avx", "aes avx avx2"), "");
  EXPECT_EQ(missing_features("", "aes"), "") << "a checkpoint of a node that did not tell";
  EXPECT_EQ(missing_features("aes", ""), "");
}

}  // namespace
}  // namespace stasis
