// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/spank/fake_slurm.h"

#include <cstdarg>
#include <cstdio>

namespace stasis {

FakeSlurm& fake_slurm() {
  static FakeSlurm fake;
  return fake;
}

int FakeSlurm::say(const std::string& name, const char* value, bool remote) {
  for (const auto& option : options) {
    if (option.name == name) return option.callback(option.value, value, remote ? 1 : 0);
  }
  return -1;
}

namespace {

[[gnu::format(printf, 1, 0)]] std::string formatted(const char* format, va_list arguments) {
  char text[4096];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}

}  // namespace
}  // namespace stasis

extern "C" {

spank_err_t spank_option_register(spank_t, spank_option* option) {
  auto& fake = stasis::fake_slurm();
  if (fake.options.size() >= static_cast<std::size_t>(fake.refuse_after)) return ESPANK_NOSPACE;
  fake.options.push_back({option->name, option->arginfo == nullptr ? "" : option->arginfo, option->usage,
                          option->has_arg != 0, option->val, option->cb});
  return {};
}

// The plugin takes what Slurm does not tell for one node and one task.
spank_err_t spank_get_item(spank_t, spank_item_t, ...) { return ESPANK_NOT_AVAIL; }

const char* spank_strerror(spank_err_t) { return "no space"; }

void slurm_error(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  stasis::fake_slurm().errors.push_back(stasis::formatted(format, arguments));
  va_end(arguments);
}

void slurm_spank_log(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  stasis::fake_slurm().log.push_back(stasis::formatted(format, arguments));
  va_end(arguments);
}

}  // extern "C"
