#include "methods/registry.h"

#include <array>

#include "methods/stages.h"

namespace merganser::methods {

namespace {

constexpr std::array kMethods{
#define METHOD(name) &name##_method,
#define STEP(name)
#include "methods/methods.def"
#undef METHOD
#undef STEP
};

constexpr std::array kSteps{
#define METHOD(name)
#define STEP(name) &name##_step,
#include "methods/methods.def"
#undef METHOD
#undef STEP
};

const Method* find(std::span<const Method* const> list, std::string_view name) {
  for (const Method* method : list) {
    if (method->name == name) return method;
  }
  return nullptr;
}

}  // namespace

std::span<const Method* const> methods() { return kMethods; }

std::span<const Method* const> steps() { return kSteps; }

const Method* find_method(std::string_view name) { return find(kMethods, name); }

const Method* find_step(std::string_view name) { return find(kSteps, name); }

}  // namespace merganser::methods
