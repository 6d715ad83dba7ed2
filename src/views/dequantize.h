#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"
#include "formats/config.h"

// Quantised layers, known by the names beside one another; X is the layer.
//
//   GPTQ                     X.qweight X.qzeros X.scales [X.g_idx]: packed along `in`, 2 4 8 bits
//   AWQ (GEMM)               X.qweight X.qzeros X.scales: packed along `out`, interleaved
//   bitsandbytes 4 bits      X.weight U8, X.weight.absmax, X.weight.quant_state.bitsandbytes__*
//   bitsandbytes 8 bits      X.weight I8, X.SCB
//   compressed-tensors       X.weight_packed X.weight_scale X.weight_shape [X.weight_zero_point]
//                            X.weight_packed U8, X.weight_scale, [X.weight_global_scale]: NVFP4,
//                            MXFP4
//   integers, FP8            W I8 or F8, W_scale or W_scale_inv or X.scale_weight: for the tensor,
//                            a row, a block
//   ModelOpt NVFP4           X.weight U8, X.weight_scale, X.weight_scale_2
//   MXFP4 (gpt-oss)          W_blocks U8, W_scales U8
//   MLX                      X.weight U32, X.scales, X.biases
//
// Checks: QZ-1 shapes agree, QZ-2 groups exist, QZ-3 and QZ-4 the state of bitsandbytes.

namespace merganser::views {

/// What a quantised checkpoint stands for.
struct Dequantized {
  std::shared_ptr<const Checkpoint> weights;
  std::vector<std::string> notes;  ///< What was dequantised, and from what.
};

/// Shows every quantised layer of `source` as one tensor "X.weight" of real numbers; codes, scales
/// and what else belonged to it vanish. They get the dtype that `config` names if it has 16 or 32
/// bits, else that of their scales if that has 16 bits, else bf16. The tensors decide, whatever the
/// config lists. Of the data, the small tensors that say how a layer is stored are read here;
/// reading the view takes 2^18 elements at a time. `own` is a file that speaks of the quantisation
/// alone, as older writers left it, and may be empty. `source` itself comes back where nothing is
/// quantised. Errors: unsupported for schemes that are not read, by name, and for whole numbers
/// where weights are due; bad_file QZ-1 to QZ-4; io.
Result<Dequantized> dequantize(std::shared_ptr<const Checkpoint> source,
                               const formats::Config& config, const formats::Config& own = {});

/// True for a config that says of its weights that they are quantised.
bool says_quantised(const formats::Config& config);

/// Takes out of the config what says that weights are quantised (QZ-5).
void forget_quantisation(formats::Config& config);

}  // namespace merganser::views
