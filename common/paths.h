// SPDX-License-Identifier: Apache-2.0
// paths.h - where the parts find each other, as configured when this was built. Only what cannot come from
// stasis.yaml is here: the plugin does not read that file.
#pragma once

namespace stasis {

inline constexpr char kVersion[] = STASIS_VERSION;

inline constexpr char kConfigFile[] = STASIS_SYSCONFDIR "/stasis.yaml";
inline constexpr char kDefaultSocket[] = "/run/stasis/stasisd.sock";

inline constexpr char kCliProgram[] = STASIS_BINDIR "/stasis";
inline constexpr char kShimProgram[] = STASIS_LIBEXECDIR "/stasis-shim";
inline constexpr char kInitProgram[] = STASIS_LIBEXECDIR "/stasis-init";
inline constexpr char kAnchorProgram[] = STASIS_LIBEXECDIR "/stasis-anchor";
// What criu loads from there reaches files as the job's user: criu/plugin.cc.
inline constexpr char kCriuPlugins[] = STASIS_LIBEXECDIR "/criu";
inline constexpr char kHookProgram[] = STASIS_LIBEXECDIR "/stasis-hook";

}  // namespace stasis
