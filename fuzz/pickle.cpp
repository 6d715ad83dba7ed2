// The program of a pickle alone, in both containers, strictly and with unknown classes read past.

#include "formats/pickle.h"

#include "target.h"

namespace merganser::fuzz {

void try_input(std::string_view bytes) {
  for (const auto container : {formats::PickleContainer::zip, formats::PickleContainer::legacy}) {
    for (const bool opaque : {false, true}) {
      const formats::ReadOptions options{.allow_opaque = opaque};
      const formats::Reading reading{"in", options, nullptr};
      const auto pickled = formats::read_pickle({.text = std::string(bytes), .bytes = bytes.size()},
                                                container, reading);
      must(pickled || !pickled.error().message.empty(), "an error without a message");
    }
  }
}

}  // namespace merganser::fuzz
