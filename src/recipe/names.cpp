#include "recipe/names.h"

#include <set>

namespace merganser::recipe {
namespace {

std::string last_component(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

}  // namespace

std::vector<std::string> assign_names(const std::vector<Unnamed>& models) {
  std::set<std::string> taken;
  for (const Unnamed& model : models) {
    if (!model.given.empty()) taken.insert(model.given);
  }
  std::vector<std::string> names;
  for (const Unnamed& model : models) {
    std::string name = model.given;
    if (name.empty()) {
      const std::string stem = last_component(model.path);
      name = stem;
      for (int n = 2; taken.count(name) || (name == "base" && !model.is_base); ++n)
        name = stem + "-" + std::to_string(n);
      taken.insert(name);
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace merganser::recipe
