#pragma once

#include "core/result.h"
#include "formats/config.h"
#include "formats/reading.h"

namespace merganser::formats {

/// Checks HF-2 of a config.json: what sizes tensors is a positive integer below 2^31, heads divide
/// the hidden size where no `head_dim` says otherwise, and key-value heads divide the heads; at the
/// top level and in the configs of parts. Lists, with a number per layer, and null are passed over.
Result<void> check_config(const Config& config, const Reading& reading);

}  // namespace merganser::formats
