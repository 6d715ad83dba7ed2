#pragma once

#include <cstdint>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "core/stage.h"
#include "support/merge.h"

/// Merges that the laws are tested on: every method, and every step beside some method.
namespace merganser::trial {

struct Case {
  const char* name;
  const char* method;
  int models;                   ///< Beside the base: `a`, `b`, ...
  bool base;                    ///< The recipe has a base_model.
  std::vector<double> weights;  ///< By model; none are given when empty.
  const char* parameters = "";  ///< Entries of the recipe's `parameters`.
  const char* steps = "";       ///< Lines of the recipe.
  bool averages = true;  ///< The parameters keep what the method claims of copies (no scaling).

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

const std::vector<Case>& cases();

/// What a case promises: the method and all its steps must claim it.
Claims claims_of(const Case& c);

std::string model_name(int model);

/// The recipe of a case; `order` lists the models as they stand in it, `parameters` and `lines` are
/// added.
std::string recipe_of(const Case& c, const std::vector<int>& order,
                      const std::string& parameters = "", const std::string& lines = "");
std::string recipe_of(const Case& c, const std::string& parameters = "",
                      const std::string& lines = "");

/// Random models with tensors of all shapes that a loop may stumble over. The same seed gives the
/// same models.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  /// `grid`: multiples of 1/64 within [-2, 2], which every dtype holds and whose sums and
  /// differences are exact; many entries are 0 or equal. Otherwise normal numbers of any scale,
  /// with signed zeros and subnormal numbers among them.
  MemoryTensor tensor(const std::string& name, const Shape& shape, DType dtype, bool grid);
  /// One of these for each of `dtypes` by turns.
  Model model(const std::vector<DType>& dtypes, bool grid, bool large = false);
  /// The models of a case, its base included.
  Models models(const Case& c, const std::vector<DType>& dtypes, bool grid, bool large = false);

 private:
  std::mt19937_64 random_;
};

}  // namespace merganser::trial
