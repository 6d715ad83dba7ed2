#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

/// What the fuzz targets share. Each defines `try_input`, which must neither crash nor hold more
/// memory than an input of its size deserves, whatever the bytes; what else must hold it says with
/// `must`.
namespace merganser::fuzz {

/// Tries one input. Defined by every target.
void try_input(std::string_view bytes);

/// Stops the process with this sentence where `holds` is false, so that the input is kept.
void must(bool holds, const char* sentence);

/// A folder of this process, removed when it ends, and the path of a file in it.
const std::filesystem::path& folder();
std::filesystem::path write(std::string_view name, std::string_view bytes);

}  // namespace merganser::fuzz
