// SPDX-License-Identifier: Apache-2.0
// stasisd - the daemon of one node. See daemon.h.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/config.h"
#include "common/paths.h"
#include "daemon/daemon.h"

namespace {

int complain(const stasis::Error& error) {
  std::fprintf(stderr, "stasisd: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Checkpoints the Slurm jobs of this node and moves them.", "stasisd"};
  std::string file = stasis::kConfigFile;
  bool check_only = false;
  app.add_option("--config", file, "configuration file")->capture_default_str();
  app.add_flag("--check-config", check_only, "say whether the configuration is valid, and end");
  app.set_version_flag("--version", std::string("stasisd ") + stasis::kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  auto config = stasis::load_config(file);
  // A file that is not there is an empty one: every key has a default.
  if (!config && config.error().kind == stasis::ErrorKind::not_found && file == stasis::kConfigFile) {
    config = stasis::parse_config("", file);
  }
  if (!config) return complain(config.error());
  if (check_only) return 0;
  if (::geteuid() != 0) return complain({stasis::ErrorKind::denied, "must be started as root"});
  auto keys = stasis::Keys::load(config->key_file);
  if (!keys) return complain(keys.error());

  stasis::Log log("stasisd", STDERR_FILENO, stasis::Log::prefix_for_stderr());
  stasis::Daemon daemon(*std::move(config), *std::move(keys), log);
  if (const auto done = daemon.run(); !done) return complain(done.error());
  return 0;
}
