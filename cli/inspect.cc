// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

#include "cli/caller.h"
#include "cli/views.h"
#include "common/file_tree.h"
#include "common/ledger.h"
#include "common/log.h"
#include "common/manifest.h"
#include "common/page_map.h"
#include "common/read_file.h"
#include "common/store_layout.h"

namespace stasis {
namespace {

constexpr std::string_view kManifestMagic = "stasis-manifest ";
constexpr std::string_view kMemoryMagic = "stasis-memory ";

Result<Json> parse(std::string_view text) {
  auto json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(ErrorKind::corrupt, "is no JSON");
  return json;
}

// Read strictly first, so that what is shown means what it says.
Result<Json> decode_manifest(std::string_view bytes, const Keys* keys) {
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) return fail(ErrorKind::corrupt, "is cut off in its first line");
  const std::string_view body = bytes.substr(end + 1);
  Json document{{"kind", "manifest"}};
  std::string_view words = bytes.substr(kManifestMagic.size(), end - kManifestMagic.size());
  document["manifest_format"] = std::string(words.substr(0, words.find(' ')));
  words.remove_prefix(std::min(words.size(), words.find(' ') + 1));
  document["key"] = std::string(words.substr(0, words.find(' ')));
  document["authentic"] = Json();
  if (keys != nullptr) {
    const auto read = read_manifest(bytes, *keys);
    if (!read && read.error().kind == ErrorKind::unsupported) return fail(read.error());
    document["authentic"] = read.has_value();
  }
  STASIS_TRY(parse_manifest_body(body));
  STASIS_LET(document["manifest"], parse(body));
  return document;
}

std::string hex(const std::array<std::uint8_t, 16>& bytes) {
  std::string text;
  for (const auto byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

Result<Json> decode_memory(std::string_view bytes) {
  STASIS_LET(const PageMap map, read_page_map(bytes));
  Json files = Json::array();
  for (const auto& [generation, file] : map.files) {
    Json list = Json::array();
    for (const auto& block : file.blocks) {
      list.push_back({{"offset", block.offset},
                      {"stored", block.stored},
                      {"pages", block.pages},
                      {"encoding", to_string(block.encoding)},
                      {"code", hex(block.code)}});
    }
    files.push_back(
        {{"generation", generation}, {"key", file.seal.key_id}, {"salt", hex(file.seal.salt)}, {"blocks", list}});
  }
  Json images = Json::array();
  for (const auto& image : map.images) {
    Json runs = Json::array();
    for (const auto& run : image.runs) {
      runs.push_back({{"generation", run.generation}, {"first", run.first}, {"count", run.count}});
    }
    images.push_back({{"name", image.name}, {"runs", runs}});
  }
  return Json{{"kind", "memory"}, {"memory", {{"files", files}, {"images", images}}}};
}

Result<Json> decode_listing(std::string_view bytes) {
  STASIS_LET(const Json json, parse(bytes));
  const bool is_ledger = json.is_object() && json.contains("files");
  if (is_ledger) {
    STASIS_TRY(read_ledger(bytes));
    return Json{{"kind", "ledger"}, {"ledger", json}};
  }
  STASIS_TRY(read_file_tree(bytes));
  return Json{{"kind", "scratch"}, {"scratch", json}};
}

void write_text(const Json& json, const std::string& indent, std::string& text) {
  const auto plain = [](const Json& value) {
    return value.is_string() ? printable(value.get<std::string>())
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  const bool object = json.is_object();
  for (const auto& [name, value] : json.items()) {
    const std::string label = object ? printable(name) + ":" : "-";
    // A list of numbers, pieces of a file say, is one value for people.
    const bool leaf =
        !value.is_structured() || value.empty() ||
        (value.is_array() && std::none_of(value.begin(), value.end(), [](const Json& v) { return v.is_object(); }));
    text += indent + label + (leaf ? " " + plain(value) : "") + "\n";
    if (!leaf) write_text(value, indent + "  ", text);
  }
}

// One stream of the generation whose manifest is `manifest`, wherever it is kept.
Result<Json> decode_stream_of(const std::string& directory, const ManifestStream& stream) {
  const std::string part = std::filesystem::path(directory).parent_path();
  const auto files = make_posix_file_system();
  for (const auto& place : {directory, part + "/" + generation_name(stream.generation),
                            part + "/" + base_name(stream.generation), part + "/" + aside_name(stream.generation)}) {
    const auto file = files->open(place + "/" + stream.file);
    if (!file) continue;
    std::string text;
    const Sink sink = [&text](const char* data, std::size_t size) -> Result<void> {
      text.append(data, size);
      return {};
    };
    STASIS_TRY(in_context(stream.name, decode_stream(**file, stream.offset, stream.data, sink)));
    return in_context(stream.name, decode_file(text, nullptr));
  }
  return fail(ErrorKind::not_found, stream.name + ": its file " + stream.file + " is not there");
}

// A generation: its manifest, and what else of it has fields.
Result<Json> decode_generation(const std::string& directory, const Keys* keys) {
  STASIS_LET(const std::string text, read_file(directory + "/" + kManifestName, kManifestLimit));
  STASIS_LET(Json document, in_context(kManifestName, decode_file(text, keys)));
  STASIS_LET(const Manifest manifest, parse_manifest_body(std::string_view(text).substr(text.find('\n') + 1)));
  for (const char* name : {"ledger", "scratch", kMemoryStream}) {
    const ManifestStream* const stream = manifest.stream(name);
    if (stream == nullptr) continue;
    STASIS_LET(const Json decoded, decode_stream_of(directory, *stream));
    if (decoded.contains(name)) document[name] = decoded[name];
  }
  document["kind"] = "checkpoint";
  return document;
}

Result<std::string> place_of(const Config& config, const std::string& what) {
  if (what.find('/') != std::string::npos) return what;
  const auto name = parse_checkpoint_name(what);
  struct stat status {};
  if (!name && ::stat(what.c_str(), &status) == 0) return what;
  if (!name) return fail(name.error());
  if (::geteuid() != 0) return fail(ErrorKind::denied, "only root may look into the store's files");
  STASIS_LET(const auto found, look_up(config, *name, LookAt::names));
  // The last one of the script, or of what there is.
  const StoredCheckpoint* last = nullptr;
  for (const auto& one : found) {
    if (one.aside && !name->number) continue;
    if (last == nullptr || one.part == "batch" || last->part != "batch") last = &one;
  }
  if (last == nullptr) return fail(ErrorKind::not_found, "there is no checkpoint of it");
  return last->directory;
}

}  // namespace

Result<Json> decode_file(std::string_view bytes, const Keys* keys) {
  if (bytes.starts_with(kManifestMagic)) return decode_manifest(bytes, keys);
  if (bytes.starts_with(kMemoryMagic)) return decode_memory(bytes);
  if (bytes.starts_with('{')) return decode_listing(bytes);
  return fail(ErrorKind::corrupt,
              "is no file of Stasis' that has fields: there are manifest, ledger, scratch and memory");
}

std::string as_text(const Json& json) {
  std::string text;
  write_text(json, "", text);
  return text;
}

Result<void> inspect(const Config& config, const std::string& what, const View& view) {
  STASIS_LET(const std::string path, in_context("inspect", place_of(config, what)));
  const auto loaded = Keys::load(config.key_file);
  const Keys* const keys = loaded ? &*loaded : nullptr;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(errno_error("inspect: " + path, errno));
  auto document = [&]() -> Result<Json> {
    if (S_ISDIR(status.st_mode)) return decode_generation(path, keys);
    STASIS_LET(const std::string bytes, read_file(path, kManifestLimit));
    return decode_file(bytes, keys);
  }();
  if (!document) return fail(document.error().context("inspect: " + path));
  Notes notes;
  if (document->contains("authentic") && (*document)["authentic"].is_null()) {
    notes.push_back("whether it is authentic is not known: " + loaded.error().message);
  }
  const bool forged = document->contains("authentic") && (*document)["authentic"] == false;
  if (view.json) {
    Json whole{{"path", path}};
    whole.update(*document);
    print_json(whole, notes);
  } else {
    fmt::print("path: {}\n{}", printable(path), as_text(*document));
    print_notes(notes);
  }
  if (forged) return fail(ErrorKind::corrupt, "inspect: " + path + " is not authentic");
  return {};
}

}  // namespace stasis
