// SPDX-License-Identifier: Apache-2.0
#include "common/manifest.h"

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace stasis {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "stasis-manifest";

std::string signed_text(std::string_view json) { return std::to_string(kManifestFormat) + "\n" + std::string(json); }

std::string_view take_word(std::string_view& text) {
  const auto end = text.find(' ');
  const auto word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

Json to_json(const ManifestStream& s) {
  return {{"name", s.name},          {"size", s.data.size},
          {"sha256", s.data.sha256}, {"encoding", to_string(s.data.encoding)},
          {"stored", s.data.stored}, {"file", s.file},
          {"offset", s.offset},      {"generation", s.generation}};
}

Json to_json(const Manifest& m) {
  Json streams = Json::array();
  for (const auto& stream : m.streams) streams.push_back(to_json(stream));
  return {
      {"cluster", m.job.cluster}, {"uid", m.job.uid},       {"job", m.job.job},     {"first_start", m.job.first_start},
      {"part", m.part},           {"number", m.number},     {"made_at", m.made_at}, {"restarts", m.restarts},
      {"reason", m.reason},       {"gid", m.gid},           {"root", m.root},       {"stdio", m.stdio},
      {"node", m.node},           {"kernel", m.kernel},     {"cpu", m.cpu},         {"criu", m.criu},
      {"command", m.command},     {"excluded", m.excluded}, {"streams", streams}};
}

// Reads the members of one object; the first that is not as it must be is remembered, and the rest then means nothing.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {
    if (!object.is_object()) wrong_ = "what should be an object is none";
  }

  template <class Number>
  void number(const char* name, Number& value) {
    const Json* found = find(name);
    // The library would convert a fraction, or a number that does not fit, without a word.
    if (found == nullptr) return;
    if (!found->is_number_unsigned()) return refuse(name);
    const auto read = found->get<std::uint64_t>();
    if (read > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) return refuse(name);
    value = static_cast<Number>(read);
  }
  void text(const char* name, std::string& value) {
    const Json* found = find(name);
    if (found == nullptr) return;
    if (!found->is_string()) return refuse(name);
    value = found->get<std::string>();
  }
  const Json* array(const char* name) {
    const Json* found = find(name);
    if (found != nullptr && found->is_array()) return found;
    refuse(name);
    return nullptr;
  }
  void refuse(const char* name) {
    if (wrong_.empty()) wrong_ = std::string("'") + name + "' is missing or wrong";
  }
  Result<void> end() const {
    if (wrong_.empty()) return {};
    return fail(ErrorKind::corrupt, "manifest: " + wrong_);
  }

 private:
  const Json* find(const char* name) {
    if (!wrong_.empty()) return nullptr;
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    refuse(name);
    return nullptr;
  }

  const Json& object_;
  std::string wrong_;
};

bool harmless_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

Result<ManifestStream> parse_stream(const Json& json) {
  ManifestStream stream;
  std::string encoding;
  Members members(json);
  members.text("name", stream.name);
  members.number("size", stream.data.size);
  members.text("sha256", stream.data.sha256);
  members.text("encoding", encoding);
  members.number("stored", stream.data.stored);
  members.text("file", stream.file);
  members.number("offset", stream.offset);
  members.number("generation", stream.generation);
  STASIS_TRY(members.end());
  if (!harmless_name(stream.name) || !harmless_name(stream.file)) {
    return fail(ErrorKind::corrupt, "manifest: names a file that cannot be one");
  }
  if (stream.offset > std::numeric_limits<std::uint64_t>::max() - stream.data.stored) members.refuse("offset");
  if (encoding == to_string(Encoding::zstd)) {
    stream.data.encoding = Encoding::zstd;
  } else if (encoding == to_string(Encoding::blocks)) {
    stream.data.encoding = Encoding::blocks;
  } else if (encoding != to_string(Encoding::plain)) {
    members.refuse("encoding");
  }
  STASIS_TRY(members.end());
  return stream;
}

Result<void> parse_streams(const Json& array, Manifest& manifest) {
  std::set<std::string> names;
  for (const auto& entry : array) {
    STASIS_LET(ManifestStream stream, parse_stream(entry));
    if (!names.insert(stream.name).second) return fail(ErrorKind::corrupt, "manifest: names a stream twice");
    if (stream.generation > manifest.number) return fail(ErrorKind::corrupt, "manifest: names a later generation");
    manifest.streams.push_back(std::move(stream));
  }
  return {};
}

}  // namespace

const ManifestStream* Manifest::stream(std::string_view name) const {
  for (const auto& stream : streams) {
    if (stream.name == name) return &stream;
  }
  return nullptr;
}

std::string write_manifest(const Manifest& manifest, const Keys& keys) {
  const std::string json = to_json(manifest).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  const auto signature = keys.sign(signed_text(json));
  return std::string(kMagic) + " " + std::to_string(kManifestFormat) + " " + signature.key_id + " " + signature.code +
         "\n" + json;
}

Result<Manifest> read_manifest(std::string_view text, const Keys& keys) {
  const auto line_end = text.find('\n');
  std::string_view line = text.substr(0, line_end);
  if (line_end == std::string_view::npos || take_word(line) != kMagic) {
    return fail(ErrorKind::corrupt, "no manifest: its first line is wrong");
  }
  int format = 0;
  const auto word = take_word(line);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), format);
  if (error != std::errc() || end != word.data() + word.size() || format < 1) {
    return fail(ErrorKind::corrupt, "no manifest: its format is no number");
  }
  if (format != kManifestFormat) {
    return fail(ErrorKind::unsupported, "manifest of format " + std::to_string(format) +
                                            ", and this program knows format " + std::to_string(kManifestFormat));
  }
  const std::string key_id(take_word(line));
  const auto json = text.substr(line_end + 1);
  STASIS_TRY(keys.verify(signed_text(json), {key_id, std::string(line)}));
  return parse_manifest_body(json);
}

Result<Manifest> parse_manifest_body(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(ErrorKind::corrupt, "manifest: is no JSON");
  Manifest m;
  Members members(json);
  members.text("cluster", m.job.cluster);
  members.number("uid", m.job.uid);
  members.number("job", m.job.job);
  members.number("first_start", m.job.first_start);
  members.text("part", m.part);
  members.number("number", m.number);
  members.number("made_at", m.made_at);
  members.number("restarts", m.restarts);
  members.text("reason", m.reason);
  members.number("gid", m.gid);
  members.number("root", m.root);
  members.text("node", m.node);
  members.text("kernel", m.kernel);
  members.text("cpu", m.cpu);
  members.text("criu", m.criu);
  members.text("command", m.command);
  members.text("excluded", m.excluded);
  if (const Json* stdio = members.array("stdio")) {
    if (stdio->size() != m.stdio.size()) members.refuse("stdio");
    for (std::size_t i = 0; i < m.stdio.size() && i < stdio->size(); ++i) {
      if ((*stdio)[i].is_string()) {
        m.stdio[i] = (*stdio)[i].get<std::string>();
      } else {
        members.refuse("stdio");
      }
    }
  }
  const Json* streams = members.array("streams");
  STASIS_TRY(members.end());
  STASIS_TRY(parse_streams(*streams, m));
  return m;
}

}  // namespace stasis
