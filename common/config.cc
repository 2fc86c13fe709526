// SPDX-License-Identifier: Apache-2.0
#include "common/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/read_file.h"
#include "common/size_spec.h"
#include "common/time_spec.h"

namespace stasis {
namespace {

// A value is stored, or the reason is returned why it cannot be. The line comes from the caller, who knows the node.
using Refusal = std::optional<std::string>;
using Setter = std::function<Refusal(const YAML::Node&)>;

struct Key {
  const char* name;
  Setter set;
};

Refusal as_text(const YAML::Node& node, std::string& text) {
  if (!node.IsScalar()) return "must be a single value";
  text = node.Scalar();
  return std::nullopt;
}

Setter absolute_path(std::string& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    std::string text;
    if (auto refusal = as_text(node, text)) return refusal;
    if (text.empty() || text.front() != '/') return "must be an absolute path, and '" + text + "' is none";
    // Paths are taken apart and put together again by root: no way up, no control characters.
    if ((text + "/").find("/../") != std::string::npos) return "must not contain '..'";
    if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      return "must not contain control characters";
    }
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    target = text;
    return std::nullopt;
  };
}

Setter absolute_path_or_off(std::string& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    if (!node.IsScalar() || node.Scalar() != "off") return absolute_path(target)(node);
    target.clear();
    return std::nullopt;
  };
}

// Becomes the name of a directory.
Setter cluster_name(std::string& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    std::string text;
    if (auto refusal = as_text(node, text)) return refusal;
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.';
    };
    if (!std::all_of(text.begin(), text.end(), allowed) || text.starts_with('.')) {
      return "must be letters, digits, '_', '-' and '.', not beginning with '.'";
    }
    target = text;
    return std::nullopt;
  };
}

Setter boolean(bool& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    if (!node.IsScalar() || !YAML::convert<bool>::decode(node, target)) return "must be true or false";
    return std::nullopt;
  };
}

Setter number(int& target, int min, int max) {
  return [&target, min, max](const YAML::Node& node) -> Refusal {
    int value = 0;
    if (!node.IsScalar() || !YAML::convert<int>::decode(node, value) || value < min || value > max) {
      return "must be a number from " + std::to_string(min) + " to " + std::to_string(max);
    }
    target = value;
    return std::nullopt;
  };
}

Setter size(std::uint64_t& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    std::string text;
    if (auto refusal = as_text(node, text)) return refusal;
    const auto bytes = parse_size(text);
    if (!bytes) return bytes.error().message;
    target = *bytes;
    return std::nullopt;
  };
}

Setter size_or_off(std::uint64_t& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    if (node.IsScalar() && node.Scalar() == "off") {
      target = 0;
      return std::nullopt;
    }
    return size(target)(node);
  };
}

// A time such as 45m. A lone number is refused: in Slurm's forms it means minutes, and who writes
// `dump_timeout: 600` means seconds.
Refusal as_duration(const YAML::Node& node, bool may_be_off, std::optional<std::chrono::seconds>& target) {
  std::string text;
  if (auto refusal = as_text(node, text)) return refusal;
  const bool lone_number = text.find_first_not_of("0123456789") == std::string::npos;
  const auto spec = parse_time_spec(text);
  if (spec && !lone_number && spec->kind == TimeSpec::Kind::every) {
    target = spec->every;
    return std::nullopt;
  }
  if (may_be_off && text == "off") {
    target.reset();
    return std::nullopt;
  }
  return std::string("must be a time with its unit such as 30s, 45m or 2h") + (may_be_off ? ", or off" : "") +
         ", and '" + text + "' is none";
}

Setter duration(std::chrono::seconds& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    std::optional<std::chrono::seconds> time;
    if (auto refusal = as_duration(node, false, time)) return refusal;
    target = *time;
    return std::nullopt;
  };
}

Setter duration_or_off(std::optional<std::chrono::seconds>& target) {
  return [&target](const YAML::Node& node) { return as_duration(node, true, target); };
}

// As users write it for --checkpoint-every, so that a lone number is minutes.
Setter interval(TimeSpec& target) {
  return [&target](const YAML::Node& node) -> Refusal {
    std::string text;
    if (auto refusal = as_text(node, text)) return refusal;
    const auto spec = parse_time_spec(text);
    if (!spec) return spec.error().message;
    target = *spec;
    return std::nullopt;
  };
}

template <class Value>
Setter choice(Value& target, Result<Value> (*parse)(std::string_view)) {
  return [&target, parse](const YAML::Node& node) -> Refusal {
    std::string text;
    if (auto refusal = as_text(node, text)) return refusal;
    const auto value = parse(text);
    if (!value) return value.error().message;
    target = *value;
    return std::nullopt;
  };
}

// Levenshtein's distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({substitute, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

std::string unknown_key(const std::string& name, const std::vector<Key>& keys) {
  const char* nearest = nullptr;
  std::size_t distance = 3;  // more than two slips is another word
  for (const Key& key : keys) {
    const std::size_t d = edit_distance(name, key.name);
    if (d < distance) {
      distance = d;
      nearest = key.name;
    }
  }
  std::string text = "unknown key '" + name + "'";
  if (nearest != nullptr) return text + ": did you mean '" + nearest + "'?";
  text += "; there are";
  for (const Key& key : keys) text += (&key == &keys.front() ? " " : ", ") + std::string(key.name);
  return text;
}

// What is right by itself may not fit together.
std::optional<std::string> contradiction_in(const Policy& p) {
  const auto compare = [](const char* smaller, std::chrono::seconds a, const char* larger, std::chrono::seconds b) {
    return std::string(smaller) + " (" + format_time(a) + ") is less than " + larger + " (" + format_time(b) + ")";
  };
  if (p.max_interval && *p.max_interval < p.min_interval) {
    return compare("max_interval", *p.max_interval, "min_interval", p.min_interval);
  }
  if (p.checkpoint_every.kind != TimeSpec::Kind::every) return std::nullopt;
  if (p.checkpoint_every.every < p.min_interval) {
    return compare("checkpoint_every", p.checkpoint_every.every, "min_interval", p.min_interval);
  }
  if (p.max_interval && *p.max_interval < p.checkpoint_every.every) {
    return compare("max_interval", *p.max_interval, "checkpoint_every", p.checkpoint_every.every);
  }
  return std::nullopt;
}

// A section of the file and the line people find it at. A value's own mark is of no use: that of an empty one is
// somewhere below.
struct Section {
  YAML::Node node;
  int line = 0;
};

class Parser {
 public:
  explicit Parser(std::string file) : file_(std::move(file)) {}

  Result<Config> parse(const YAML::Node& root) const {
    Config config;
    YAML::Node defaults;
    YAML::Node partitions;
    const auto later = [](YAML::Node& target) {
      return [&target](const YAML::Node& node) -> Refusal {
        target.reset(node);
        return std::nullopt;
      };
    };
    STASIS_TRY(keys({root, 0}, {{"store", absolute_path(config.store)},
                                {"cluster", cluster_name(config.cluster)},
                                {"key_file", absolute_path(config.key_file)},
                                {"local", absolute_path(config.local)},
                                {"local_limit", size_or_off(config.local_limit)},
                                {"orphans_after", duration(config.orphans_after)},
                                {"socket", absolute_path(config.socket)},
                                {"criu", absolute_path(config.criu)},
                                {"scontrol", absolute_path(config.scontrol)},
                                {"metrics_file", absolute_path_or_off(config.metrics_file)},
                                {"defaults", later(defaults)},
                                {"partitions", later(partitions)}}));
    // Partitions start from the defaults, wherever in the file those stand.
    STASIS_TRY(policy({defaults, line_of(defaults)}, config.defaults));
    STASIS_TRY(each({partitions, line_of(partitions)}, [&](const std::string& name, const Section& s) -> Result<void> {
      if (name.empty()) return refuse(s.line, "a partition without a name");
      return policy(s, config.partitions.emplace(name, config.defaults).first->second);
    }));
    return config;
  }

 private:
  static int line_of(const YAML::Node& node) { return node.Mark().line; }

  Failure refuse(int line, const std::string& reason) const {
    return fail(ErrorKind::failed, file_ + ":" + std::to_string(line + 1) + ": " + reason);
  }

  // Calls `visit(name, section)` for each entry of a mapping. Nothing at all, or a key with nothing below, is an
  // empty one: that is what is left of a section whose every line is commented out.
  template <class Visit>
  Result<void> each(const Section& section, Visit visit) const {
    if (section.node.IsNull()) return {};
    if (!section.node.IsMap()) return refuse(section.line, "must be 'key: value' lines");
    std::set<std::string> seen;
    for (const auto& entry : section.node) {
      const int line = line_of(entry.first);
      if (!entry.first.IsScalar()) return refuse(line, "a key must be a single word");
      const std::string& name = entry.first.Scalar();
      if (!seen.insert(name).second) return refuse(line, name + ": given twice");
      STASIS_TRY(visit(name, Section{entry.second, line}));
    }
    return {};
  }

  Result<void> keys(const Section& section, const std::vector<Key>& known) const {
    return each(section, [&](const std::string& name, const Section& entry) -> Result<void> {
      const auto key = std::find_if(known.begin(), known.end(), [&](const Key& k) { return name == k.name; });
      if (key == known.end()) return refuse(entry.line, unknown_key(name, known));
      if (auto refusal = key->set(entry.node)) return refuse(entry.line, name + ": " + *refusal);
      return {};
    });
  }

  Result<void> policy(const Section& section, Policy& p) const {
    STASIS_TRY(keys(section, {{"checkpoint_every", interval(p.checkpoint_every)},
                              {"requeue_on_ckpt", boolean(p.requeue_on_ckpt)},
                              {"checkpoint_method", choice(p.checkpoint_method, parse_checkpoint_method)},
                              {"mean_time_between_failures", duration(p.mean_time_between_failures)},
                              {"keep", number(p.keep, 1, kMaxKeep)},
                              {"min_interval", duration(p.min_interval)},
                              {"max_interval", duration_or_off(p.max_interval)},
                              {"first_checkpoint", duration_or_off(p.first_checkpoint)},
                              {"prefer_other_node", choice(p.prefer_other_node, parse_prefer_other_node)},
                              {"requeue_begin_now", boolean(p.requeue_begin_now)},
                              {"allow_io_uring", boolean(p.allow_io_uring)},
                              {"outside_connections", choice(p.outside_connections, parse_outside_connections)},
                              {"check_cpu", boolean(p.check_cpu)},
                              {"restore_failure", choice(p.restore_failure, parse_restore_failure)},
                              {"users_may_opt_out", boolean(p.users_may_opt_out)},
                              {"final_dump_margin", duration(p.final_dump_margin)},
                              {"dump_timeout", duration(p.dump_timeout)},
                              {"track_memory", boolean(p.track_memory)},
                              {"compression", number(p.compression, 0, 19)},
                              {"file_copy_limit", size(p.file_copy_limit)}}));
    if (const auto contradiction = contradiction_in(p)) return refuse(section.line, *contradiction);
    return {};
  }

  std::string file_;
};

}  // namespace

const Policy& Config::policy_for(std::string_view partition) const {
  const auto found = partitions.find(partition);
  return found == partitions.end() ? defaults : found->second;
}

Result<Config> parse_config(const std::string& text, const std::string& file) {
  // yaml-cpp reports by exceptions; they end here.
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return fail(ErrorKind::failed, file + ": more than one YAML document");
    return Parser(file).parse(documents.empty() ? YAML::Node() : documents.front());
  } catch (const YAML::Exception& e) {
    const std::string where = e.mark.is_null() ? file : file + ":" + std::to_string(e.mark.line + 1);
    return fail(ErrorKind::failed, where + ": " + e.msg);
  }
}

Result<Config> load_config(const std::string& path) {
  STASIS_LET(const std::string text, read_file(path));
  return parse_config(text, path);
}

}  // namespace stasis
