// SPDX-License-Identifier: Apache-2.0
// plugin.cc - the names Slurm looks for in a SPANK plugin, and the way from each to its handler.
//
// Nothing throws across this border, and no fault of a single job is ever returned as an error: with a required plugin
// Slurm would drain the node for it. Only a bad option value is, and only where a submission can be refused.
extern "C" {
#include <slurm/spank.h>
}

#include <exception>

#include "spank/options.h"
#include "spank/step_notes.h"
#include "spank/submit.h"
#include "spank/task.h"

namespace {

template <class Handler>
int guard(const char* hook, Handler handler) noexcept {
  try {
    return handler();
  } catch (const std::exception& error) {
    slurm_error("stasis: %s: %s", hook, error.what());
  } catch (...) {
    slurm_error("stasis: %s: unknown error", hook);
  }
  return ESPANK_SUCCESS;
}

bool submitting(spank_context_t context) { return context == S_CTX_LOCAL || context == S_CTX_ALLOCATOR; }

}  // namespace

extern "C" {

// const at namespace scope is internal in C++; declared first, it is not.
#define STASIS_EXPORT __attribute__((visibility("default")))
extern STASIS_EXPORT const char plugin_name[];
extern STASIS_EXPORT const char plugin_type[];
extern STASIS_EXPORT const unsigned int plugin_version;
extern STASIS_EXPORT const unsigned int spank_plugin_version;

SPANK_PLUGIN(stasis, 1)

STASIS_EXPORT int slurm_spank_init(spank_t spank, int, char**) {
  return guard("init", [&]() -> int {
    const spank_context_t context = spank_context();
    if (submitting(context)) stasis::before_options();
    if (submitting(context) || context == S_CTX_REMOTE) return stasis::register_options(spank);
    return ESPANK_SUCCESS;
  });
}

STASIS_EXPORT int slurm_spank_init_post_opt(spank_t, int, char**) {
  return guard("init_post_opt", [&]() -> int {
    if (submitting(spank_context())) return stasis::after_options();
    return ESPANK_SUCCESS;
  });
}

STASIS_EXPORT int slurm_spank_local_user_init(spank_t spank, int, char**) {
  return guard("local_user_init", [&]() -> int {
    stasis::print_step_notes(spank);
    return ESPANK_SUCCESS;
  });
}

STASIS_EXPORT int slurm_spank_task_init_privileged(spank_t spank, int, char**) {
  return guard("task_init_privileged", [&]() -> int {
    stasis::make_capsule(spank);
    return ESPANK_SUCCESS;
  });
}

STASIS_EXPORT int slurm_spank_task_init(spank_t spank, int, char**) {
  return guard("task_init", [&]() -> int {
    stasis::put_shim_first(spank);
    return ESPANK_SUCCESS;
  });
}

}  // extern "C"
