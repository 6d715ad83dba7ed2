"""Small random models of many families, made by transformers: what mergekit and merganser both can merge.

Mixtral is not among them: mergekit merges the experts of a layer as one tensor, merganser one by one.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
import transformers

LAYERS = 4
VOCABULARY = 64
_WIDTH = {"hidden_size": 32, "num_hidden_layers": LAYERS, "vocab_size": VOCABULARY}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
_DECODER = _WIDTH | _HEADS | {"intermediate_size": 48, "max_position_embeddings": 64}
_ENCODER = _WIDTH | {"num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64}
_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

# Class of the model, class of its config, settings.
FAMILIES: dict[str, tuple[str, str, dict[str, object]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", _DECODER),
    "tied": ("LlamaForCausalLM", "LlamaConfig", _DECODER | {"tie_word_embeddings": True}),
    "mistral": ("MistralForCausalLM", "MistralConfig", _DECODER),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", _DECODER),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", _DECODER | {"head_dim": 8}),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", _DECODER | _SPECIAL),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", _DECODER | {"head_dim": 8}),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", _DECODER | _SPECIAL),
    "starcoder2": ("Starcoder2ForCausalLM", "Starcoder2Config", _DECODER | _SPECIAL),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {"n_embd": 32, "n_layer": LAYERS, "n_head": 4, "n_positions": 64, "vocab_size": VOCABULARY} | _SPECIAL,
    ),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        _WIDTH
        | {"ffn_dim": 48, "num_attention_heads": 4, "word_embed_proj_dim": 32, "max_position_embeddings": 64}
        | _SPECIAL,
    ),
    "bert": ("BertForSequenceClassification", "BertConfig", _ENCODER),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", _ENCODER | _SPECIAL),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": LAYERS,
            "num_heads": 4,
            "vocab_size": VOCABULARY,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
            "decoder_start_token_id": 0,
        },
    ),
}
# The layers of these can be put together anew: one stack, counted by one key.
STACKS = ("llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "starcoder2", "gpt2")


@functools.cache
def _base(family: str) -> transformers.PreTrainedModel:
    model_class, config_class, settings = FAMILIES[family]
    torch.manual_seed(len(family) + sum(map(ord, family)))
    return getattr(transformers, model_class)(getattr(transformers, config_class)(**settings)).eval()


def make(folder: Path, family: str, number: int, dtype: torch.dtype) -> Path:
    """Model `number` of a family in `dtype`: 0 is the base, the others lie a little beside it. Made once."""
    path = folder / family / f"{number}-{str(dtype).removeprefix('torch.')}"
    if path.exists():
        return path
    base = _base(family)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    numbers = torch.Generator().manual_seed(1000 * number + len(family))
    with torch.no_grad():
        for parameter in base.parameters():
            # Entries differ everywhere, so that no rank is shared; the base's own ones and zeros too.
            parameter += (0.02 if number else 0.01) * torch.randn(parameter.shape, generator=numbers)
        base.to(dtype).save_pretrained(path)
        base.to(torch.float32).load_state_dict(before)
    return path


def load(folder: Path, family: str) -> tuple[transformers.PreTrainedModel, dict[str, object]]:
    """The model in a folder as transformers sees it, in float32; and what it says about tensors missing or unknown."""
    model, info = getattr(transformers, FAMILIES[family][0]).from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    return model.eval(), info


def logits(model: transformers.PreTrainedModel) -> torch.Tensor:
    """What it makes of two fixed sequences."""
    ids = torch.randint(3, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(5))
    more = {"decoder_input_ids": ids.flip(1)} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, **more).logits
