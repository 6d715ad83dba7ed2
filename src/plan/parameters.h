#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plan/inventory.h"
#include "plan/plan.h"
#include "plan/problems.h"

namespace merganser::plan {

/// The Params of a method or step for one tensor, and what people may see of them.
struct Resolved {
  std::shared_ptr<const void> params;
  std::vector<Parameter> shown;
};

/// Evaluates the recipe's settings for methods and steps, tensor by tensor. Equal parameters share
/// one Params object, so pointers tell whether two tensors have the same.
class Parameters {
 public:
  Parameters(const recipe::Recipe& recipe, const std::vector<Input>& inputs, Problems& problems);

  /// Parameters of `method` for a tensor; `models` are the candidates that take part, `subject`
  /// speaks of the output. Nothing after a problem.
  std::optional<Resolved> of_method(const Method& method, const Item& item,
                                    const recipe::Subject& subject,
                                    const std::vector<const Candidate*>& models,
                                    std::uint32_t base);
  /// The same for a step of `prepare` or `finish`.
  std::optional<Resolved> of_step(const Method& step, const recipe::Step& use,
                                  const recipe::Subject& subject,
                                  const std::vector<const Candidate*>& models, std::uint32_t base);

  /// Whether a required per-model parameter of `method` has a value for a base that `models` does
  /// not list: then it takes part.
  bool reaches_unlisted_base(const Method& method, const Item& item,
                             const recipe::Subject& subject);

 private:
  using Levels = std::vector<const recipe::Settings*>;
  struct Request;

  std::optional<Resolved> resolve(const Request& request);
  void apply_variant(const Request& request, void* params,
                     std::map<std::string, std::string>& preset);
  void fill(const Request& request, const Field& field, void* params, Resolved& out,
            const std::map<std::string, std::string>& preset);
  bool store(const Request& request, const Field& field, void* params, std::size_t input,
             const Value& value, const recipe::Mark& mark);
  void fill_names(const Request& request, const Field& field, void* params);
  recipe::Subject subject_of(const recipe::Subject& output, const Candidate& model) const;
  void show(const Request& request, const Field& field, const void* params, std::size_t input,
            const std::string& from, Resolved& out) const;
  std::string place_text(const recipe::Mark& mark) const;
  void report(Error error);
  void report(const recipe::Mark& mark, Error error);
  void report(const recipe::Mark& mark, Code code, std::string message, std::string hint = "",
              std::string subject = "");

  const recipe::Recipe& recipe_;
  const std::vector<Input>& inputs_;
  Problems& problems_;
  std::map<std::string, std::shared_ptr<const void>> cache_;
  bool failed_ = false;  ///< A problem of the request at hand, also when it was reported before.
};

}  // namespace merganser::plan
