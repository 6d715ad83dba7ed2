#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/inventory.h"
#include "plan/parameters.h"
#include "plan/plan.h"
#include "plan/problems.h"

namespace merganser::plan {

/// Decides, tensor by tensor, whether it is merged or copied, from what, in which dtype, through
/// which stages.
class Rows {
 public:
  Rows(const recipe::Recipe& recipe, const std::vector<Input>& inputs, std::size_t like,
       const NameIndex& names, std::uint64_t seed, Problems& problems);

  /// The row of one output tensor, or nothing after a problem. Chunk numbers of model scope are set
  /// by `number_chunks`.
  std::optional<PlannedRow> row_of(const Item& item);

  /// The row of a tensor that the recipe leaves alone.
  std::optional<PlannedRow> untouched(const Item& item);

 private:
  struct Inputs;

  recipe::Subject subject_of(const Item& item) const;
  std::optional<PlannedRow> copy(const Item& item, std::vector<Source> sources, std::string why);
  std::optional<PlannedRow> copy_from(const Item& item, std::size_t input, const recipe::Mark& mark,
                                      std::string why);
  std::optional<PlannedRow> copy_first(const Item& item, std::string why);
  std::optional<PlannedRow> by_rule(const Item& item, const recipe::Subject& subject);
  Inputs split(const Item& item, const recipe::Subject& subject);
  std::optional<PlannedRow> whole_numbers(const Item& item, const Inputs& inputs);
  bool agree_in_shape(const Item& item, const Inputs& inputs);
  std::optional<PlannedRow> incomplete(const Item& item, const Inputs& inputs, bool& handled);
  std::optional<PlannedRow> merge(const Item& item, const recipe::Subject& subject,
                                  const Inputs& inputs);
  bool choose_types(PlannedRow& row, const Item& item, const recipe::Subject& subject,
                    const Inputs& inputs);
  bool build_chain(PlannedRow& row, const Item& item, const recipe::Subject& subject,
                   const Inputs& inputs);
  void add_links(PlannedRow& row, Link::Place place, std::uint32_t number, const Method& method,
                 const Resolved& resolved);
  void cut(PlannedRow& row);
  void inform(PlannedRow& row, const Inputs& inputs);

  const TensorInfo& info(const Candidate& c) const {
    return inputs_[c.input].weights->tensors()[c.tensor];
  }

  const recipe::Recipe& recipe_;
  const std::vector<Input>& inputs_;
  std::size_t like_;
  const NameIndex& names_;
  std::uint64_t seed_;
  Problems& problems_;
  Parameters parameters_;
  const Method& method_;
};

}  // namespace merganser::plan
