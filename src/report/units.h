#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Numbers, names and shapes as people read them.
namespace merganser::report {

/// "812 B", "1.1 GB", "13.4 GB": powers of 1000, three digits at most.
std::string bytes_text(std::uint64_t bytes);

/// "5.6 / 13.4 GB": both in the unit of the second.
std::string bytes_of_text(std::uint64_t done, std::uint64_t total);

/// "6,738,415,616".
std::string count_text(std::uint64_t count);

/// "0.04 s", "21.3 s", "3 min 20 s", "1 h 05 min".
std::string duration_text(double seconds);

/// "0:08", "12:40", "1:02:03".
std::string clock_text(double seconds);

/// Four significant digits: "0.01234", "1.23e-07"; "nan" and "inf" as they are.
std::string figure_text(double value);

/// "4096x11008"; "scalar" for no dimension.
std::string shape_text(const std::vector<std::uint64_t>& shape);

/// The text with control characters and broken UTF-8 as "\x1b". Names come from files of strangers,
/// and a terminal obeys what is in them.
std::string printable(std::string_view text);

/// Terminal columns of printable text: its code points.
std::size_t columns(std::string_view text);

/// At most `width` columns, with "..." in place of the middle. Most of what stays is the end:
/// "model." is in every tensor's name, and "10.mlp.up_proj.weight" in one.
std::string shorten_middle(std::string_view text, std::size_t width);

/// The text broken at spaces into lines of at most `width` columns (0: no limit); a longer word
/// stays whole. Line breaks in the text stay.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// "a, b, c".
std::string join(const std::vector<std::string>& items, std::string_view between = ", ");

}  // namespace merganser::report
