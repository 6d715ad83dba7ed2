#include "recipe/stages.h"

#include <algorithm>
#include <map>

namespace merganser::recipe {
namespace {

class Order {
 public:
  explicit Order(const std::vector<Recipe>& recipes)
      : recipes_(recipes), state_(recipes.size(), State::fresh) {
    for (std::size_t i = 0; i < recipes.size(); ++i) {
      if (!recipes[i].name.empty()) by_name_[recipes[i].name] = i;
    }
  }

  StageOrder run() {
    for (std::size_t i = 0; i < recipes_.size() && result_.cycle.empty(); ++i) visit(i);
    return std::move(result_);
  }

 private:
  enum class State { fresh, open, done };

  void visit(std::size_t i) {
    if (state_[i] == State::done || !result_.cycle.empty()) return;
    if (state_[i] == State::open) {
      result_.cycle.assign(std::find(path_.begin(), path_.end(), i), path_.end());
      result_.cycle.push_back(i);
      return;
    }
    state_[i] = State::open;
    path_.push_back(i);
    for (const Input& input : recipes_[i].inputs) {
      const auto stage = by_name_.find(input.ref.path);
      if (stage != by_name_.end()) visit(stage->second);
    }
    path_.pop_back();
    state_[i] = State::done;
    result_.order.push_back(i);
  }

  const std::vector<Recipe>& recipes_;
  std::map<std::string, std::size_t> by_name_;
  std::vector<State> state_;
  std::vector<std::size_t> path_;
  StageOrder result_;
};

}  // namespace

StageOrder order_stages(const std::vector<Recipe>& recipes) { return Order(recipes).run(); }

std::vector<std::size_t> stage_order(const std::vector<Recipe>& recipes) {
  return order_stages(recipes).order;
}

}  // namespace merganser::recipe
