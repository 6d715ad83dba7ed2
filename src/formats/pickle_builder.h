#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "core/result.h"
#include "formats/pickle.h"
#include "formats/pickle_globals.h"

namespace merganser::formats {

/// Makes the values that a pickle would have made by calling what it names.
class PickleBuilder {
 public:
  PickleBuilder(Pickled& pickled, PickleContainer container, const Reading& reading)
      : pickled_(pickled), container_(container), reading_(reading) {}

  /// Bytes of the pickle before what is being done: the place in messages.
  void at(std::uint64_t place) { place_ = place; }

  /// An error at that place.
  Error bad(std::string_view check, std::string_view what, std::string hint = {}) const;

  /// A value with items of its own.
  PickleValue make(PickleKind kind, std::vector<PickleValue> items);

  /// PK-2: what `module` `name` stands for; the span of the name goes into a placeholder.
  Result<PickleValue> global(std::string_view module, std::string_view name,
                             PickleValue span) const;
  /// PK-3: what calling `callee` with the tuple `arguments` gives.
  Result<PickleValue> call(const PickleValue& callee, const PickleValue& arguments);
  /// PK-3: what `callee.__new__` gives.
  Result<PickleValue> make_new(const PickleValue& callee, const PickleValue& arguments);
  /// PK-5: the storage that a persistent id stands for.
  Result<PickleValue> storage(const PickleValue& id);

 private:
  Error wrong_arguments(const GlobalEntry& entry, std::string_view expected) const;
  Result<void> account(std::size_t values);
  Result<PickleValue> copy(PickleKind kind, std::span<const PickleValue> items);
  Result<PickleValue> collection(const GlobalEntry& entry, std::span<const PickleValue> arguments);
  Result<PickleValue> ordered_dict(const GlobalEntry& entry,
                                   std::span<const PickleValue> arguments);
  Result<PickleValue> tensor(const GlobalEntry& entry, std::span<const PickleValue> arguments);
  Result<PickleValue> wrapped_tensor(const GlobalEntry& entry,
                                     std::span<const PickleValue> arguments) const;
  Result<PickleValue> typed_tensor(const GlobalEntry& entry,
                                   std::span<const PickleValue> arguments);
  Result<PickleValue> plain(const GlobalEntry& entry, std::span<const PickleValue> arguments) const;
  Result<void> check_extent(const PickledTensor& tensor) const;
  Result<void> read_view(PickledStorage& storage, const PickleValue& view) const;

  /// All that tells one storage from another.
  using StorageKey =
      std::tuple<std::string, DType, bool, std::uint64_t, std::uint64_t, std::uint64_t>;

  Pickled& pickled_;
  PickleContainer container_;
  const Reading& reading_;
  std::uint64_t place_ = 0;
  std::uint64_t copied_ = 0;  ///< Values that were copied so far.
  std::map<StorageKey, std::size_t> storages_;
};

}  // namespace merganser::formats
