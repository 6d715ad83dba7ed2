#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace merganser {

/// A parameter's value after the recipe's settings were evaluated for one tensor: numbers and the
/// index of a choice are doubles, a list of names is text with a line for each.
using Value = std::variant<bool, double, std::string>;

/// One value per input of the recipe, by the input's place in it; a list of one holds for all.
template <class T>
class PerModel {
 public:
  PerModel(T all = T{})
      : values_{std::move(all)} {}  // NOLINT: a plain value is the usual way to write one

  const T& operator[](std::size_t input) const { return values_[values_.size() == 1 ? 0 : input]; }
  bool operator==(const PerModel&) const = default;

  /// True when every model has this value.
  bool all(const T& value) const {
    for (const T& v : values_) {
      if (!(v == value)) return false;
    }
    return true;
  }
  void set(std::size_t input, std::size_t inputs, T value) {
    if (values_.size() < inputs) values_.resize(inputs, values_.front());
    values_[input] = std::move(value);
  }

 private:
  std::vector<T> values_;
};

/// Names of models, as a parameter.
using Names = std::vector<std::string>;

enum class Kind : std::uint8_t { real, integer, boolean, choice, text, names };

/// What happens when the recipe does not give a parameter.
enum class Absent : std::uint8_t {
  use_default,  ///< The default of its Params stands.
  error,        ///< The recipe must give it (per model: to every model).
  all_or_none,  ///< Default when no model has it; an error when only some have.
};

/// A declared parameter: its name, what it accepts and where it is stored. Declared once, beside
/// the struct that it fills; help pages, checks and defaults are all read from here.
struct Field {
  const char* name = "";
  const char* says = "";
  Kind kind = Kind::real;
  bool per_model = false;
  Absent absent = Absent::use_default;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
  std::array<const char*, 4>
      options{};  ///< The words of a choice, in the order of its enumerators.
  /// Stores a value of the right kind (a choice as its index); `input` counts only for per-model
  /// fields.
  void (*set)(void* params, std::size_t input, std::size_t inputs, const Value& value) = nullptr;
  /// Reads it back, for help pages and plans.
  Value (*get)(const void* params, std::size_t input) = nullptr;

 private:
  /// A copy with one change. Stands above its uses: in a constant, clang takes no template from
  /// further down.
  template <class Change>
  constexpr Field with(Change change) const {
    Field changed = *this;
    change(changed);
    return changed;
  }

 public:
  constexpr Field above(double bound) const {
    return with([&](Field& f) { f.low = bound, f.low_open = true; });
  }
  constexpr Field at_least(double bound) const {
    return with([&](Field& f) { f.low = bound; });
  }
  constexpr Field below(double bound) const {
    return with([&](Field& f) { f.high = bound, f.high_open = true; });
  }
  constexpr Field up_to(double bound) const {
    return with([&](Field& f) { f.high = bound; });
  }
  constexpr Field required() const {
    return with([](Field& f) { f.absent = Absent::error; });
  }
  constexpr Field all_or_none() const {
    return with([](Field& f) { f.absent = Absent::all_or_none; });
  }
  template <class... Words>
  constexpr Field one_of(Words... words) const {
    return with([&](Field& f) { f.options = {words...}; });
  }
};

namespace detail {

template <class T>
struct MemberOf;
template <class Class, class Member>
struct MemberOf<Member Class::*> {
  using Owner = Class;
  using Type = Member;
};

template <class T>
inline constexpr bool kPerModel = false;
template <class T>
inline constexpr bool kPerModel<PerModel<T>> = true;

template <class T>
struct Stored {
  using Type = T;
};
template <class T>
struct Stored<PerModel<T>> {
  using Type = T;
};

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return Kind::boolean;
  } else if constexpr (std::is_enum_v<T>) {
    return Kind::choice;
  } else if constexpr (std::is_integral_v<T>) {
    return Kind::integer;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Kind::text;
  } else if constexpr (std::is_same_v<T, Names>) {
    return Kind::names;
  } else {
    static_assert(std::is_same_v<T, double>,
                  "a parameter is a bool, an enum, an integer, a double or a string");
    return Kind::real;
  }
}

Names split_lines(const std::string& text);
std::string join_lines(const Names& names);

template <class T>
T from_value(const Value& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
    return std::get<T>(value);
  } else if constexpr (std::is_same_v<T, Names>) {
    return split_lines(std::get<std::string>(value));
  } else {
    return static_cast<T>(std::get<double>(value));
  }
}

template <class T>
Value to_value(const T& stored) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
    return stored;
  } else if constexpr (std::is_same_v<T, Names>) {
    return join_lines(stored);
  } else {
    return static_cast<double>(stored);
  }
}

// Params live in unnamed namespaces. GCC sees that from a type argument, but not from a pointer to
// a member alone nor from a lambda's function: those would get external linkage, and the fields of
// one method would write into the Params of another.
template <class Owner, class Type, Type Owner::* Member>
void set_member(void* params, std::size_t input, std::size_t inputs, const Value& value) {
  auto& member = static_cast<Owner*>(params)->*Member;
  if constexpr (kPerModel<Type>) {
    member.set(input, inputs, from_value<typename Stored<Type>::Type>(value));
  } else {
    member = from_value<Type>(value);
  }
}

template <class Owner, class Type, Type Owner::* Member>
Value get_member(const void* params, std::size_t input) {
  const auto& member = static_cast<const Owner*>(params)->*Member;
  if constexpr (kPerModel<Type>) {
    return to_value(member[input]);
  } else {
    return to_value(member);
  }
}

template <class Params>
std::shared_ptr<void> make_params() {
  return std::make_shared<Params>();
}

}  // namespace detail

/// Declares that the recipe key `name` fills `Member` (a pointer to a member of the method's
/// Params).
template <auto Member>
constexpr Field field(const char* name, const char* says) {
  using Owner = typename detail::MemberOf<decltype(Member)>::Owner;
  using Type = typename detail::MemberOf<decltype(Member)>::Type;
  Field made;
  made.name = name;
  made.says = says;
  made.kind = detail::kind_of<typename detail::Stored<Type>::Type>();
  made.per_model = detail::kPerModel<Type>;
  made.set = &detail::set_member<Owner, Type, Member>;
  made.get = &detail::get_member<Owner, Type, Member>;
  return made;
}

/// Declares a key that a method accepts because recipes carry it, and that changes nothing.
constexpr Field accepted(const char* name, const char* says) {
  Field made;
  made.name = name;
  made.says = says;
  return made;
}

/// A value that a variant sets, as a recipe would write it.
struct Preset {
  const char* field;
  const char* value;
};

/// A published form of a method: it only chooses defaults, explicit parameters win.
struct Variant {
  const char* name;
  const char* says;
  std::span<const Preset> presets;
};

/// All parameters of a method or step, and how to make its Params with defaults.
struct Fields {
  std::span<const Field> list;
  std::span<const Variant> variants;
  std::shared_ptr<void> (*make)() = nullptr;

  const Field* find(std::string_view name) const {
    for (const Field& f : list) {
      if (name == f.name) return &f;
    }
    return nullptr;
  }
};

template <class Params>
constexpr Fields fields(std::span<const Field> list, std::span<const Variant> variants = {}) {
  return Fields{list, variants, &detail::make_params<Params>};
}

}  // namespace merganser
