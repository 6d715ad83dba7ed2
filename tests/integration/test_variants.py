"""The same published model as people keep it: sharded, in 16 and 8 bits, in the hub's cache, as a sentence encoder.

Every variant is made by the program that defines it (torch, transformers) and merged with the published fine-tune; what
comes out is compared with the same arithmetic in torch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Run

torch = pytest.importorskip("torch", reason="needs scripts/setup --clients")
safetensors_torch = pytest.importorskip("safetensors.torch", reason="needs scripts/setup --clients")

pytestmark = pytest.mark.clients

Pair = tuple[Path, Path]
Tensors = dict[str, "torch.Tensor"]
Merge = Callable[[str], Path]
COMMIT = "0123456789abcdef" * 2 + "01234567"
E4M3_LARGEST = 448


def read(folder: Path) -> Tensors:
    return safetensors_torch.load_file(folder / "model.safetensors")


def floats(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if value.is_floating_point()}


def variant(source: Path, folder: Path, tensors: Tensors, config: dict[str, object] | None = None) -> Path:
    """The files of `source` with other weights, and with more in its config."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    safetensors_torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "config.json").read_text()) | (config or {})
    (folder / "config.json").write_text(json.dumps(settings, indent=2))
    return folder


def half(first: Path | str, second: Path | str) -> str:
    lines = "".join(f"  - {{model: {path}, parameters: {{weight: 0.5}}}}\n" for path in (first, second))
    return f"merge_method: linear\nmodels:\n{lines}"


def assert_mean(found: Tensors, first: Tensors, second: Tensors, relative: float = 3e-7) -> None:
    """The mean in f64, rounded: sums have two terms, so a few units in the last place of the output's type."""
    first, second = floats(first), floats(second)
    assert set(floats(found)) == set(first)
    for name, value in first.items():
        wanted = (value.double() + second[name].double()) / 2
        torch.testing.assert_close(found[name].double(), wanted, rtol=relative, atol=3e-7, msg=name)


def test_shards_of_transformers(minilm: Pair, merge: Merge, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs scripts/setup --clients")
    sharded = tmp_path / "sharded"
    transformers.AutoModel.from_pretrained(minilm[0]).save_pretrained(sharded, max_shard_size="20MB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    assert not (sharded / "model.safetensors").exists()
    tuned = read(minilm[1])
    whole = {name: value for name, value in read(minilm[0]).items() if name in tuned}
    assert_mean(read(merge(half(sharded, minilm[1]))), whole, tuned)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_sixteen_bits(minilm: Pair, merge: Merge, tmp_path: Path, name: str) -> None:
    dtype = getattr(torch, name)
    small = {key: value.to(dtype) if value.is_floating_point() else value for key, value in read(minilm[0]).items()}
    out = read(merge(half(variant(minilm[0], tmp_path / name, small, {"torch_dtype": name}), minilm[1])))
    assert all(value.dtype == torch.float32 for value in floats(out).values())
    assert_mean(out, small, read(minilm[1]))


def test_sixteen_bits_stay_sixteen(minilm: Pair, merge: Merge, tmp_path: Path) -> None:
    small = [
        {key: value.bfloat16() if value.is_floating_point() else value for key, value in read(path).items()}
        for path in minilm
    ]
    folders = [variant(path, tmp_path / path.name, tensors) for path, tensors in zip(minilm, small, strict=True)]
    out = read(merge(half(*folders)))
    assert all(value.dtype == torch.bfloat16 for value in floats(out).values())
    assert_mean(out, *small, relative=2**-8)


def by_row(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes, scales and what they stand for; the scale of a row sends its largest entry to the largest code."""
    scale = weight.abs().amax(dim=1, keepdim=True) / E4M3_LARGEST
    codes = (weight / scale).to(torch.float8_e4m3fn)
    return codes, scale, codes.float() * scale


def by_block(weight: torch.Tensor, block: int = 128) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    down, across = (-(-size // block) for size in weight.shape)
    padded = torch.zeros(down * block, across * block)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    scale = padded.view(down, block, across, block).abs().amax(dim=(1, 3)).clamp(min=1e-12) / E4M3_LARGEST
    spread = scale.repeat_interleave(block, 0).repeat_interleave(block, 1)[: weight.shape[0], : weight.shape[1]]
    codes = (weight / spread).to(torch.float8_e4m3fn)
    return codes, scale, codes.float() * spread


def by_tensor(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scale = weight.abs().max() / E4M3_LARGEST
    codes = (weight / scale).to(torch.float8_e4m3fn)
    return codes, scale, codes.float() * scale


def as_integers(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    codes = (weight / scale).round().to(torch.int8)
    return codes, scale, codes.float() * scale


SCHEMES = {
    "fp8-rows": (by_row, "weight_scale", {"quant_method": "compressed-tensors", "format": "float-quantized"}),
    "fp8-blocks": (by_block, "weight_scale_inv", {"quant_method": "fp8", "weight_block_size": [128, 128]}),
    "fp8-tensors": (by_tensor, "weight_scale", {"quant_method": "fp8"}),
    "scaled-fp8": (by_tensor, "scale_weight", None),
    "integers": (as_integers, "weight_scale", {"quant_method": "compressed-tensors", "format": "int-quantized"}),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_eight_bits_with_scales(minilm: Pair, merge: Merge, run: Run, tmp_path: Path, scheme: str) -> None:
    quantise, suffix, config = SCHEMES[scheme]
    stored, plain = {}, {}
    for name, value in read(minilm[0]).items():
        stored[name] = plain[name] = value
        if name.startswith("encoder.") and name.endswith(".weight") and value.dim() == 2:
            codes, scale, numbers = quantise(value)
            stored[name] = codes
            stored[name.removesuffix("weight") + suffix] = scale
            plain[name] = numbers
    settings = {"torch_dtype": "float32"} | ({"quantization_config": config} if config else {})
    folder = variant(minilm[0], tmp_path / scheme, stored, settings)
    out = merge(half(folder, minilm[1]))
    assert_mean(read(out), plain, read(minilm[1]))
    assert "quantization_config" not in json.loads((out / "config.json").read_text())
    planned = run("plan", "recipe.yml")
    assert "36 tensors are dequantised" in planned.stdout
    assert "noise of quantisation" in planned.stdout


def in_hub_cache(source: Path, root: Path, name: str) -> Path:
    """The files of a folder as the hub's client stores them: blobs by hash, and a snapshot of links."""
    repository = root / ("models--" + name.replace("/", "--"))
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for file in source.iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, repository / "blobs" / digest)
        (snapshot / file.name).symlink_to(f"../../blobs/{digest}")
    return snapshot


def test_the_hub_cache(minilm: Pair, run: Run, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs scripts/setup --clients")
    root = tmp_path / "hub"
    snapshot = in_hub_cache(minilm[0], root, "org/minilm")
    found = hub.snapshot_download("org/minilm", cache_dir=root, local_files_only=True)
    assert Path(found).resolve() == snapshot.resolve()  # the client sees the same model

    for name, text in {"by-path": half(*minilm), "by-name": half(f"org/minilm@{COMMIT[:7]}", minilm[1])}.items():
        (tmp_path / f"{name}.yml").write_text(text)
        done = run("merge", f"{name}.yml", name, "--cache-dir", root)
        assert done.returncode == 0, done.stderr
    for file in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (tmp_path / "by-name" / file).read_bytes() == (tmp_path / "by-path" / file).read_bytes()
    record = json.loads((tmp_path / "by-name" / "merganser.json").read_text())
    assert record["inputs"][0]["revision"] == COMMIT
    assert "revision" not in record["inputs"][1]
    assert str(tmp_path) not in json.dumps(record)


def test_every_command_takes_names_of_the_hub(minilm: Pair, run: Run, tmp_path: Path) -> None:
    in_hub_cache(minilm[0], tmp_path / "hub", "org/minilm")
    with_cache = ("--cache-dir", tmp_path / "hub")
    for command in (("inspect", "org/minilm"), ("diff", "org/minilm", "org/minilm@main"), ("verify", "org/minilm")):
        done = run(*command, *with_cache)
        assert done.returncode == 0, done.stderr
    absent = run("inspect", "org/other@v1", *with_cache)
    assert absent.returncode == 1
    assert f"hf download org/other --revision v1 --cache-dir {tmp_path / 'hub'}" in absent.stderr


def test_verify_hashes_blobs(minilm: Pair, run: Run, tmp_path: Path) -> None:
    snapshot = in_hub_cache(minilm[0], tmp_path / "hub", "org/minilm")
    with (snapshot / "vocab.txt").resolve().open("ab") as blob:
        blob.write(b"\n")
    done = run("verify", "org/minilm", "--cache-dir", tmp_path / "hub")
    assert done.returncode == 1
    assert "HC-4" in done.stdout + done.stderr


def sentence_encoder(source: Path, folder: Path, pooling: str) -> Path:
    shutil.copytree(source, folder)
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (path, kind) in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2))
    for path, _ in parts[1:3]:
        (folder / path).mkdir()
    modes = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 384} | modes))
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": 384, "out_features": 2}))
    safetensors_torch.save_file({"linear.weight": torch.ones(2, 384)}, folder / "2_Dense" / "model.safetensors")
    return folder


def test_sentence_encoders_keep_their_modules(minilm: Pair, merge: Merge, run: Run, tmp_path: Path) -> None:
    first, second = (
        sentence_encoder(path, tmp_path / f"encoder-{pooling}", pooling)
        for path, pooling in zip(minilm, ("mean_tokens", "cls_token"), strict=True)
    )
    out = merge(half(first, second))
    assert_mean(read(out), read(minilm[0]), read(minilm[1]))
    for file in ("modules.json", "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"):
        assert (out / file).read_bytes() == (first / file).read_bytes(), file
    strict = run("plan", "recipe.yml", "--strict")
    assert strict.returncode == 1
    assert "SB-4" in strict.stderr
    assert "SB-3" not in strict.stderr
