// SPDX-License-Identifier: Apache-2.0
// A file tree as text: JSON, an array for each entry; paths and values escaped, for they are bytes and no text.
#include <set>

#include "common/escape.h"
#include "common/file_tree.h"
#include "common/pieces_json.h"

namespace stasis {
namespace {

using Json = nlohmann::json;

// Absolute, and with no way up.
bool proper_path(const std::string& path) {
  return path.size() > 1 && path.front() == '/' && path.back() != '/' && path.find('\0') == std::string::npos &&
         path.find("//") == std::string::npos && (path + "/").find("/../") == std::string::npos &&
         (path + "/").find("/./") == std::string::npos;
}

Result<TreeType> parse_type(const std::string& text) {
  constexpr std::string_view kLetters = "dflhps";
  if (text.size() == 1 && kLetters.find(text[0]) != std::string_view::npos) return static_cast<TreeType>(text[0]);
  return fail(ErrorKind::corrupt, "file tree: '" + escape(text) + "' is no type");
}

Result<TreeEntry> parse_entry(const Json& json) {
  TreeEntry entry;
  STASIS_LET(entry.path, unescape(json.at("path").get<std::string>()));
  STASIS_LET(entry.type, parse_type(json.at("type").get<std::string>()));
  STASIS_LET(entry.target, unescape(json.value("target", "")));
  entry.mode = whole_number(json, "mode", std::uint32_t{0});
  entry.uid = whole_number(json, "uid", uid_t{0});
  entry.gid = whole_number(json, "gid", gid_t{0});
  entry.mtime = whole_number(json, "mtime", std::int64_t{0});
  if (json.contains("pieces")) entry.pieces = pieces_from_json(json.at("pieces"));
  if (json.contains("attributes")) {
    for (const auto& [key, value] : json.at("attributes").items()) {
      STASIS_LET(std::string bytes, unescape(value.get<std::string>()));
      entry.attributes[key] = std::move(bytes);
    }
  }
  if (!proper_path(entry.path)) return fail(ErrorKind::corrupt, "file tree: a path is none");
  return entry;
}

Result<FileTree> parse(const Json& json) {
  const int format = whole_number<int>(json.at("format"));
  if (format != kTreeFormat) {
    return fail(ErrorKind::unsupported, "file tree of format " + std::to_string(format) +
                                            ", and this program knows format " + std::to_string(kTreeFormat));
  }
  FileTree tree;
  std::set<std::string> seen;
  for (const auto& entry : json.at("entries")) {
    STASIS_LET(TreeEntry parsed, parse_entry(entry));
    if (parsed.type == TreeType::hard_link && seen.count(parsed.target) == 0) {
      return fail(ErrorKind::corrupt, "file tree: a hard link leads nowhere");
    }
    seen.insert(parsed.path);
    tree.push_back(std::move(parsed));
  }
  return tree;
}

}  // namespace

std::string write_file_tree(const FileTree& tree) {
  Json entries = Json::array();
  for (const auto& entry : tree) {
    Json json{{"path", escape(entry.path)}, {"type", std::string(1, static_cast<char>(entry.type))}};
    if (entry.type != TreeType::hard_link) {
      json.update({{"mode", entry.mode}, {"uid", entry.uid}, {"gid", entry.gid}, {"mtime", entry.mtime}});
    }
    if (!entry.target.empty()) json["target"] = escape(entry.target);
    for (const auto& piece : entry.pieces) json["pieces"].push_back({piece.stream, piece.offset, piece.size});
    for (const auto& [key, value] : entry.attributes) json["attributes"][key] = escape(value);
    entries.push_back(std::move(json));
  }
  return Json{{"format", kTreeFormat}, {"entries", entries}}.dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

Result<FileTree> read_file_tree(std::string_view text) { return read_json("file tree", text, parse); }

}  // namespace stasis
