#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "formats/pickle.h"
#include "formats/reading.h"

namespace merganser::formats {

/// A tensor of a pickle and the name that its dict gives it.
struct NamedTensor {
  std::string name;
  std::uint32_t tensor = 0;  ///< Number in Pickled::tensors.
};

/// The weights in a pickle, by name: the dict of tensors that it is, or the first one under
/// state_dict, model, ... at most two deep; optimizers, epochs and the like beside them are
/// skipped. Errors: bad_file PK-14 or RD-6 for names; PK-2 for something read past among the
/// weights; unsupported where there is no dict of tensors.
Result<std::vector<NamedTensor>> find_state_dict(const Pickled& pickled, const Reading& reading);

}  // namespace merganser::formats
