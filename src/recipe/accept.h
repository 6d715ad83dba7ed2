#pragma once

#include <string>
#include <vector>

#include "core/fields.h"
#include "recipe/recipe.h"

namespace merganser::recipe {

/// How a parameter of that kind is read; choices and names are text.
Want want_of(Kind kind);

/// The keys that a method or step takes: its fields, and `variant` where it has any.
std::vector<std::string> parameter_names(const Fields& fields);

/// The value as `field` stores it: numbers within its range, a choice as the index of its word.
/// `owner` is the method or step. Errors: recipe_value, without a place, the field as subject.
Result<Value> accept(const Field& field, const std::string& owner, const Value& value);

/// What a scalar of the recipe means to `field`. Errors: as `accept`.
Result<Value> read_value(const Scalar& scalar, const Field& field, const std::string& owner);

/// The variant of that name. Errors: recipe_value, without a place, `variant` as subject.
Result<const Variant*> find_variant(const Fields& fields, const std::string& owner,
                                    const std::string& name);

}  // namespace merganser::recipe
