#include "exec/journal.h"

#include <cstring>

#include <fmt/format.h>

namespace merganser::exec {
namespace {

constexpr std::string_view kMagic = "MRGNSRJ2";
constexpr std::size_t kHeaderBytes = 8 + 16 + 16;
constexpr std::size_t kFrameBytes = 1 + 4 + 8;
constexpr std::uint8_t kChunk = 1;
constexpr std::uint8_t kFacts = 2;
constexpr std::uint64_t kJournalBytes = std::uint64_t{1} << 34;

/// Appends the bytes of plain values.
class Bytes {
 public:
  template <class T>
  Bytes& put(const T& value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  template <class T>
  Bytes& put_all(const std::vector<T>& values) {
    put(static_cast<std::uint64_t>(values.size()));
    text_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return *this;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

/// Reads them back; every read says whether the bytes were there.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  template <class T>
  bool get(T& value) {
    if (text_.size() < sizeof value) return false;
    std::memcpy(&value, text_.data(), sizeof value);
    text_.remove_prefix(sizeof value);
    return true;
  }
  template <class T>
  bool get_all(std::vector<T>& values) {
    std::uint64_t count = 0;
    if (!get(count) || count > text_.size() / sizeof(T)) return false;
    values.resize(count);
    std::memcpy(values.data(), text_.data(), count * sizeof(T));
    text_.remove_prefix(count * sizeof(T));
    return true;
  }
  std::size_t left() const { return text_.size(); }

 private:
  std::string_view text_;
};

std::uint64_t checksum(std::uint8_t kind, std::string_view payload) {
  Hasher hash;
  hash.add(std::string_view(reinterpret_cast<const char*>(&kind), 1));
  hash.add(payload);
  return hash.digest().low;
}

Hash128 times_hash(const plan::Plan& plan) {
  Hasher hash;
  for (const plan::Input& input : plan.inputs) {
    for (const SourceFile& file : input.weights->files())
      hash.add(fmt::format("{} ", file.modified_ns));
  }
  return hash.digest();
}

std::string header_of(const plan::Plan& plan) {
  Bytes bytes;
  return std::string(kMagic) + bytes.put(plan_key(plan)).put(times_hash(plan)).take();
}

bool read_chunk(std::string_view payload, Journal::ChunkRecord& record) {
  Reader reader(payload);
  if (!reader.get(record.row) || !reader.get(record.chunk) || !reader.get(record.non_finite) ||
      !reader.get(record.hashes.out))
    return false;
  for (Hash128 hash; reader.left() > 0;) {
    if (!reader.get(hash)) return false;
    record.hashes.inputs.push_back(hash);
  }
  return true;
}

bool read_facts(std::string_view payload, Journal::FactsRecord& record) {
  Reader reader(payload);
  Facts facts;
  if (!reader.get(record.stage) || !reader.get(record.survey) || !reader.get_all(facts.real) ||
      !reader.get_all(facts.whole))
    return false;
  record.facts = std::make_shared<const Facts>(std::move(facts));
  return reader.left() == 0;
}

}  // namespace

Hash128 plan_key(const plan::Plan& plan) {
  Hasher hash;
  hash.add(plan.recipe.resolved);
  hash.add(fmt::format("\n{} {}\n", plan.recipe.name, plan.seed));
  for (const formats::PlannedFile& file : plan.files.files) hash.add(file.header);
  hash.add(plan.files.index);
  for (const plan::Input& input : plan.inputs) {
    for (const SourceFile& file : input.weights->files())
      hash.add(fmt::format("{} {}\n", file.size, file.header_hash));
  }
  return hash.digest();
}

bool Journal::begun(const std::filesystem::path& path) {
  std::error_code failure;
  const std::uintmax_t size = std::filesystem::file_size(path, failure);
  return !failure && size >= kHeaderBytes;
}

Result<std::unique_ptr<Journal>> Journal::create(const std::filesystem::path& path,
                                                 const plan::Plan& plan) {
  MERGANSER_TRY(OutputFile file, OutputFile::create(path, 0));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  const std::string header = header_of(plan);
  MERGANSER_TRY(journal->file_.write_all(0, std::as_bytes(std::span(header))));
  journal->end_ = header.size();
  return journal;
}

Result<std::unique_ptr<Journal>> Journal::resume(const std::filesystem::path& path,
                                                 const plan::Plan& plan) {
  MERGANSER_TRY(const std::string text, read_small_file(path, kJournalBytes));
  const std::string header = header_of(plan);
  // Magic and key must be ours; the times behind them may differ.
  constexpr std::size_t kKeyed = kHeaderBytes - sizeof(Hash128);
  if (text.compare(0, kKeyed, header, 0, kKeyed) != 0 || text.size() < kHeaderBytes) {
    return Error{.code = Code::bad_file,
                 .message =
                     "the unfinished output beside OUT is of another recipe, other models or "
                     "another version",
                 .file = path.parent_path().string(),
                 .hint = "--overwrite discards it and starts anew"};
  }
  MERGANSER_TRY(OutputFile file, OutputFile::open(path));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  journal->times_differ_ =
      text.compare(kKeyed, sizeof(Hash128), header, kKeyed, sizeof(Hash128)) != 0;
  journal->end_ = journal->read_records(text, kHeaderBytes);
  return journal;
}

std::size_t Journal::read_records(const std::string& text, std::size_t at) {
  while (text.size() - at >= kFrameBytes) {
    Reader reader(std::string_view(text).substr(at));
    std::uint8_t kind = 0;
    std::uint32_t length = 0;
    reader.get(kind);
    reader.get(length);
    if (reader.left() < length + sizeof(std::uint64_t)) break;
    const std::string_view payload = std::string_view(text).substr(at + 5, length);
    std::uint64_t sum = 0;
    std::memcpy(&sum, payload.data() + length, sizeof sum);
    if (sum != checksum(kind, payload)) break;
    ChunkRecord chunk;
    FactsRecord facts;
    if (kind == kChunk && read_chunk(payload, chunk)) {
      chunks_.push_back(std::move(chunk));
    } else if (kind == kFacts && read_facts(payload, facts)) {
      facts_.push_back(std::move(facts));
    } else {
      break;
    }
    at += kFrameBytes + length;
  }
  return at;
}

Result<void> Journal::add(const ChunkRecord& record) {
  Bytes bytes;
  bytes.put(record.row).put(record.chunk).put(record.non_finite).put(record.hashes.out);
  for (const Hash128& hash : record.hashes.inputs) bytes.put(hash);
  return append(kChunk, bytes.take());
}

Result<void> Journal::add(const FactsRecord& record) {
  return append(kFacts, Bytes()
                            .put(record.stage)
                            .put(record.survey)
                            .put_all(record.facts->real)
                            .put_all(record.facts->whole)
                            .take());
}

Result<void> Journal::append(std::uint8_t kind, const std::string& payload) {
  const std::string frame =
      Bytes().put(kind).put(static_cast<std::uint32_t>(payload.size())).take() + payload +
      Bytes().put(checksum(kind, payload)).take();
  std::uint64_t at = 0;
  {
    const std::lock_guard lock(mutex_);
    at = std::exchange(end_, end_ + frame.size());
  }
  return file_.write_all(at, std::as_bytes(std::span(frame)));
}

}  // namespace merganser::exec
