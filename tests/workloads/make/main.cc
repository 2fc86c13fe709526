// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

long part_1(long);
long part_2(long);
long part_3(long);
long part_4(long);
long part_5(long);
long part_6(long);
long part_7(long);
long part_8(long);
long part_9(long);
long part_10(long);
long part_11(long);
long part_12(long);
long part_13(long);
long part_14(long);
long part_15(long);
long part_16(long);
long part_17(long);
long part_18(long);
long part_19(long);
long part_20(long);
long part_21(long);
long part_22(long);
long part_23(long);
long part_24(long);
long part_25(long);
long part_26(long);
long part_27(long);
long part_28(long);
long part_29(long);
long part_30(long);
long part_31(long);
long part_32(long);
long part_33(long);
long part_34(long);
long part_35(long);
long part_36(long);
long part_37(long);
long part_38(long);
long part_39(long);
long part_40(long);
long part_41(long);
long part_42(long);
long part_43(long);
long part_44(long);
long part_45(long);
long part_46(long);
long part_47(long);
long part_48(long);
long part_49(long);
long part_50(long);
long part_51(long);
long part_52(long);
long part_53(long);
long part_54(long);
long part_55(long);
long part_56(long);
long part_57(long);
long part_58(long);
long part_59(long);
long part_60(long);
long part_61(long);
long part_62(long);
long part_63(long);
long part_64(long);
long part_65(long);
long part_66(long);
long part_67(long);
long part_68(long);
long part_69(long);
long part_70(long);
long part_71(long);
long part_72(long);
long part_73(long);
long part_74(long);
long part_75(long);
long part_76(long);
long part_77(long);
long part_78(long);
long part_79(long);
long part_80(long);

int main() {
  long sum = 0;
  long (*const parts[])(long) = {
      part_1,  part_2,  part_3,  part_4,  part_5,  part_6,  part_7,  part_8,  part_9,  part_10, part_11, part_12,
      part_13, part_14, part_15, part_16, part_17, part_18, part_19, part_20, part_21, part_22, part_23, part_24,
      part_25, part_26, part_27, part_28, part_29, part_30, part_31, part_32, part_33, part_34, part_35, part_36,
      part_37, part_38, part_39, part_40, part_41, part_42, part_43, part_44, part_45, part_46, part_47, part_48,
      part_49, part_50, part_51, part_52, part_53, part_54, part_55, part_56, part_57, part_58, part_59, part_60,
      part_61, part_62, part_63, part_64, part_65, part_66, part_67, part_68, part_69, part_70, part_71, part_72,
      part_73, part_74, part_75, part_76, part_77, part_78, part_79, part_80,
  };
  for (const auto& part : parts) sum = part(sum);
  std::printf("%ld\n", sum);
}
