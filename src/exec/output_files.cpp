#include "exec/output_files.h"

namespace merganser::exec {

Result<OutputFiles> OutputFiles::create(const std::filesystem::path& folder,
                                        const formats::PlannedCheckpoint& planned) {
  OutputFiles out;
  out.places_ = planned.places;
  for (const formats::PlannedFile& file : planned.files) {
    MERGANSER_TRY(OutputFile opened, OutputFile::create(folder / file.name, file.bytes));
    MERGANSER_TRY(opened.write_all(0, std::as_bytes(std::span(file.header))));
    out.files_.push_back(std::move(opened));
  }
  return out;
}

Result<OutputFiles> OutputFiles::resume(const std::filesystem::path& folder,
                                        const formats::PlannedCheckpoint& planned) {
  OutputFiles out;
  out.places_ = planned.places;
  for (const formats::PlannedFile& file : planned.files) {
    MERGANSER_TRY(OutputFile opened, OutputFile::open(folder / file.name, file.bytes));
    // Its hash stands in no journal, and a machine that stopped may have lost it.
    MERGANSER_TRY(opened.write_all(0, std::as_bytes(std::span(file.header))));
    MERGANSER_TRY(File reader, File::open(folder / file.name));
    out.files_.push_back(std::move(opened));
    out.readers_.push_back(std::move(reader));
  }
  return out;
}

Result<void> OutputFiles::read_back(std::size_t row, std::uint64_t offset,
                                    std::span<std::byte> out) const {
  const formats::Place& place = places_[row];
  return readers_[place.file].read_exact(place.offset + offset, out);
}

Result<void> OutputFiles::write(std::size_t row, std::uint64_t offset,
                                std::span<const std::byte> bytes) {
  const formats::Place& place = places_[row];
  return files_[place.file].write_all(place.offset + offset, bytes);
}

Result<void> OutputFiles::finish(bool sync) {
  for (OutputFile& file : files_) {
    if (sync) MERGANSER_TRY(file.sync());
    MERGANSER_TRY(file.close());
  }
  return {};
}

}  // namespace merganser::exec
