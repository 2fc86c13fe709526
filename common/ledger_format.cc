// SPDX-License-Identifier: Apache-2.0
// The ledger as text: JSON, with paths escaped, for they are bytes and no text.
#include "common/escape.h"
#include "common/ledger.h"
#include "common/pieces_json.h"

namespace stasis {
namespace {

using Json = nlohmann::json;

Json to_json(const LedgerFile& file) {
  Json pieces = Json::array();
  for (const auto& piece : file.pieces) pieces.push_back({piece.stream, piece.offset, piece.size});
  return {{"path", escape(file.path)}, {"writing", to_string(file.writing)},
          {"inode", file.stamp.inode}, {"size", file.stamp.size},
          {"mtime", file.stamp.mtime}, {"ctime", file.stamp.ctime},
          {"mode", file.mode},         {"copy", file.has_copy},
          {"pieces", pieces},          {"tail", file.tail},
          {"absent", file.absent}};
}

Result<Writing> parse_writing(const std::string& text) {
  for (const auto writing : {Writing::none, Writing::append, Writing::in_place}) {
    if (text == to_string(writing)) return writing;
  }
  return fail(ErrorKind::corrupt, "ledger: '" + escape(text) + "' is no way of writing");
}

Result<std::string> parse_path(const Json& json) {
  STASIS_LET(std::string path, unescape(json.get<std::string>()));
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    return fail(ErrorKind::corrupt, "ledger: a path is none");
  }
  return path;
}

Result<LedgerFile> parse_file(const Json& json) {
  LedgerFile file;
  STASIS_LET(file.path, parse_path(json.at("path")));
  STASIS_LET(file.writing, parse_writing(json.at("writing")));
  file.stamp = {whole_number<std::uint64_t>(json.at("inode")), whole_number<std::uint64_t>(json.at("size")),
                whole_number<std::int64_t>(json.at("mtime")), whole_number<std::int64_t>(json.at("ctime"))};
  file.mode = whole_number<mode_t>(json.at("mode"));
  json.at("copy").get_to(file.has_copy);
  file.pieces = pieces_from_json(json.at("pieces"));
  json.at("tail").get_to(file.tail);
  json.at("absent").get_to(file.absent);
  if (file.has_copy && size_of(file.pieces) != file.stamp.size) {
    return fail(ErrorKind::corrupt, "ledger: the copy of " + file.path + " is of another size");
  }
  return file;
}

Result<Ledger> parse(const Json& json) {
  const int format = whole_number<int>(json.at("format"));
  if (format != kLedgerFormat) {
    return fail(ErrorKind::unsupported, "ledger of format " + std::to_string(format) +
                                            ", and this program knows format " + std::to_string(kLedgerFormat));
  }
  Ledger ledger;
  ledger.taken_at = whole_number<std::int64_t>(json.at("taken_at"));
  for (const auto& entry : json.at("files")) {
    STASIS_LET(LedgerFile file, parse_file(entry));
    ledger.files.push_back(std::move(file));
  }
  for (const auto& entry : json.at("trees")) {
    LedgerTree tree;
    STASIS_LET(tree.path, parse_path(entry.at("path")));
    for (const auto& name : entry.at("files")) {
      STASIS_LET(std::string path, parse_path(name));
      tree.files.push_back(std::move(path));
    }
    ledger.trees.push_back(std::move(tree));
  }
  return ledger;
}

}  // namespace

std::string write_ledger(const Ledger& ledger) {
  Json files = Json::array();
  for (const auto& file : ledger.files) files.push_back(to_json(file));
  Json trees = Json::array();
  for (const auto& tree : ledger.trees) {
    Json names = Json::array();
    for (const auto& name : tree.files) names.push_back(escape(name));
    trees.push_back({{"path", escape(tree.path)}, {"files", names}});
  }
  return Json{{"format", kLedgerFormat}, {"taken_at", ledger.taken_at}, {"files", files}, {"trees", trees}}.dump() +
         "\n";
}

Result<Ledger> read_ledger(std::string_view text) { return read_json("ledger", text, parse); }

}  // namespace stasis
