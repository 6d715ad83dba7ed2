"""Files of torch.save, real ones and made here: the same bytes as torch reads, and nothing in them is run."""

from __future__ import annotations

import argparse
import json
import pickle
import re
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import Run

Read = Callable[[Path], dict[str, object]]
Merge = Callable[[str], Path]

NAMES = ["rxnfp-bert_pretrained", "rxnfp-bert_ft", "rxnfp-bert_ft_10k_25s", "rxnmapper", "efficientnet-lite0"]


@pytest.fixture
def torch() -> ModuleType:
    return pytest.importorskip("torch", reason="needs scripts/setup --clients")


@pytest.fixture
def read(run: Run, tmp_path: Path) -> Read:
    """What merganser reads of a model: its tensors, copied into a safetensors file and loaded with torch."""

    def call(model: Path, *flags: str) -> dict[str, object]:
        from safetensors.torch import load_file as load_with_torch

        recipe = tmp_path / "copy.yml"
        recipe.write_text(f"merge_method: passthrough\nmodels:\n  - model: {model}\n")
        done = run("merge", recipe, tmp_path / "copy.safetensors", "--overwrite", *flags)
        assert done.returncode == 0, done.stderr
        return load_with_torch(tmp_path / "copy.safetensors")

    return call


def assert_same(torch: ModuleType, found: dict[str, object], wanted: dict[str, object]) -> None:
    """Every tensor has the shape, the dtype and the bytes that torch reads."""
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        bytes_of = [t.detach().contiguous().reshape(-1).view(torch.uint8).numpy() for t in (found[name], tensor)]
        assert np.array_equal(*bytes_of), name


@pytest.mark.clients
@pytest.mark.parametrize("name", NAMES)
def test_published_files_are_read_as_torch_reads_them(
    torch: ModuleType, torch_files: dict[str, Path], read: Read, name: str
) -> None:
    path = torch_files[name]
    assert_same(torch, read(path), torch.load(path, map_location="cpu", weights_only=True))


@pytest.mark.clients
def test_weights_are_found_beside_an_optimizer(torch: ModuleType, torch_files: dict[str, Path], read: Read) -> None:
    path = torch_files["resemblyzer"]
    whole = torch.load(path, map_location="cpu", weights_only=True)
    assert "optimizer_state" in whole
    assert_same(torch, read(path), whole["model_state"])


def of_every_kind(torch: ModuleType) -> dict[str, object]:
    """A tensor of each dtype, and every way a tensor may lie in its storage."""
    torch.manual_seed(0)
    values = torch.randn(24)
    tensors = {
        f"dtype.{str(dtype).removeprefix('torch.')}": (values * 3).to(dtype)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32)
        + (torch.int16, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2)
        + (torch.complex64, torch.uint16, torch.uint32, torch.uint64)
    }
    big = torch.randn(40, 30, 20)
    table = torch.randn(16, 8)
    return tensors | {
        "turned": values.reshape(4, 6).t(),
        "permuted": big.permute(2, 0, 1),
        "cut": big[3:20, ::2, 5:9],
        "expanded": torch.randn(1, 6).expand(4, 6),
        "row": table[3],
        "table": table,
        "head": table,
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 7),
        "half turned": torch.randn(64, 48).half().t(),
        "channels last": torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(3)),
    }


@pytest.mark.clients
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_saved_tensors_of_every_kind(
    torch: ModuleType, tmp_path: Path, read: Read, zipped: bool, protocol: int
) -> None:
    tensors = of_every_kind(torch)
    path = tmp_path / "weights of no suffix"
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    assert_same(torch, read(path), tensors)


@pytest.mark.clients
def test_shared_tensors_are_shown_and_copied(torch: ModuleType, run: Run, read: Read, tmp_path: Path) -> None:
    table = torch.randn(16, 8)
    torch.save({"a": table, "b": table, "c": table[1:]}, tmp_path / "m.bin")
    report = json.loads(run("inspect", tmp_path / "m.bin", "--json").stdout)
    assert report["shared"] == [["a", "b"]]
    assert_same(torch, read(tmp_path / "m.bin"), {"a": table, "b": table, "c": table[1:]})


@pytest.mark.clients
def test_a_tied_head_stays_tied(torch: ModuleType, run: Run, tmp_path: Path) -> None:
    """One table in the pickle, a config that ties: one table in the result, and a config that still ties."""
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": True}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        table = torch.randn(16, 8)
        weights = {"model.embed_tokens.weight": table, "lm_head.weight": table, "model.norm.weight": torch.randn(8)}
        torch.save(weights, tmp_path / name / "pytorch_model.bin")
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "r.yml").write_text(
        "merge_method: linear\nmodels:\n  - {model: a, parameters: {weight: 1}}\n"
        "  - {model: b, parameters: {weight: 1}}\n"
    )
    done = run("merge", "r.yml", "out")
    assert done.returncode == 0, done.stderr
    assert set(load_file(tmp_path / "out/model.safetensors")) == {"model.embed_tokens.weight", "model.norm.weight"}
    assert json.loads((tmp_path / "out/config.json").read_text())["tie_word_embeddings"] is True


@pytest.mark.clients
def test_folders_of_shards(torch: ModuleType, run: Run, read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    tensors = of_every_kind(torch)
    shards = {f"pytorch_model-0000{n + 1}-of-00003.bin": list(tensors)[n::3] for n in range(3)}
    for file, names in shards.items():
        torch.save({name: tensors[name] for name in names}, folder / file)
    weight_map = {name: file for file, names in shards.items() for name in names}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    torch.save(argparse.Namespace(lr=1), folder / "training_args.bin")
    (folder / "vocab.pkl").write_bytes(pickle.dumps({"a": 1}))
    found = read(folder)
    assert_same(torch, found, tensors)
    checked = run("verify", folder, "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["files"] == 4  # three shards and their index
    # safetensors come first where both are there
    save_file({"other": np.zeros(2, np.float32)}, folder / "model.safetensors")
    assert set(read(folder)) == {"other"}


@pytest.mark.clients
def test_a_checkpoint_of_a_trainer(torch: ModuleType, run: Run, read: Read, tmp_path: Path) -> None:
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    whole = {"epoch": 3, "optimizer": optimizer.state_dict(), "model": model.state_dict()}
    torch.save(whole, tmp_path / "plain.ckpt")
    assert_same(torch, read(tmp_path / "plain.ckpt"), model.state_dict())

    torch.save(whole | {"args": argparse.Namespace(lr=1e-3)}, tmp_path / "args.ckpt")
    refused = run("inspect", tmp_path / "args.ckpt")
    assert refused.returncode == 1
    assert '"argparse Namespace"' in refused.stderr and "--allow-opaque" in refused.stderr
    assert_same(torch, read(tmp_path / "args.ckpt", "--allow-opaque"), model.state_dict())


class Runs:
    """Pickled, it stands for a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def by_hand(module: str, name: str, command: str) -> bytes:
    """The older ways to call something: INST, and OBJ."""
    return f"(S'{command}'\ni{module}\n{name}\n.".encode()


def from_the_stack(module: str, name: str, command: str) -> bytes:
    texts = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)]
    return b"\x80\x04" + b"".join(texts) + b"\x93X" + struct.pack("<I", len(command)) + command.encode() + b"\x85R."


def zipped(payload: bytes) -> bytes:
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    return out.getvalue()


def legacy(payload: bytes) -> bytes:
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    return magic + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2) + payload + pickle.dumps([], 2)


def tricks(marker: Path) -> dict[str, tuple[bytes, str]]:
    """Pickles that make a file when they are loaded, and the name or the operation that must be refused."""
    import importlib
    import os

    command = f"touch {marker}"
    script = f"open({str(marker)!r}, 'w')"
    return {
        "reduce": (pickle.dumps({"w": Runs(os.system, command)}, 2), "posix system"),
        "exec": (pickle.dumps(Runs(exec, script), 2), "__builtin__ exec"),
        "eval of protocol 4": (pickle.dumps(Runs(eval, script), 4), "builtins eval"),
        "subprocess": (pickle.dumps(Runs(subprocess.Popen, ["touch", str(marker)]), 3), "subprocess Popen"),
        "import": (pickle.dumps(Runs(importlib.import_module, "antigravity"), 2), "importlib import_module"),
        "getattr": (pickle.dumps(Runs(getattr, 1, "real"), 2), "__builtin__ getattr"),
        "stack": (from_the_stack("os", "system", command), "os system"),
        "attributes": (from_the_stack("torch", "serialization.os.system", command), "serialization.os.system"),
        "instance": (b"\x80\x02" + by_hand("posix", "system", command), "operation STRING"),
    }


@pytest.mark.parametrize("wrap", [bytes, zipped, legacy], ids=["plain", "zip", "legacy"])
def test_nothing_in_a_pickle_is_run(run: Run, tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    marker = tmp_path / "it-ran"
    for trick, (payload, name) in tricks(marker).items():
        path = tmp_path / "weights.bin"
        path.write_bytes(wrap(payload))
        for flags in [], ["--allow-opaque"]:
            done = run("inspect", path, *flags)
            assert done.returncode == 1, trick
            # Where the file is no checkpoint either, that may be what is said.
            if not flags and not (wrap is bytes and trick == "instance"):
                assert name in done.stderr, trick
            assert not marker.exists(), trick


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_program_is_started(binary: Path, tmp_path: Path) -> None:
    """What the kernel sees of hostile files is what it sees of a good one: one execve and no child."""

    def calls(path: Path) -> list[str]:
        log = tmp_path / "trace"
        watched = "trace=execve,execveat,fork,vfork,clone,clone3"
        command = ["strace", "-f", "-qq", "-o", log, "-e", watched, binary, "inspect", path, "--allow-opaque"]
        if subprocess.run(command, capture_output=True).returncode not in (0, 1):
            pytest.skip("strace may not trace here")
        return re.findall(r"^\d+\s+(\w+)\(", log.read_text(), re.MULTILINE)

    good = tmp_path / "good.safetensors"
    save_file({"w": np.zeros(2, np.float32)}, good)
    wanted = calls(good)
    assert wanted[:1] == ["execve"] and wanted.count("execve") == 1
    for payload, _ in tricks(tmp_path / "it-ran").values():
        for wrap in (bytes, zipped, legacy):
            path = tmp_path / "weights.bin"
            path.write_bytes(wrap(payload))
            assert calls(path) == wanted


RXNFP = """
merge_method: task_arithmetic
base_model: {base}
missing: skip
models:
  - model: {tuned}
    rename: [{{match: '^(embeddings|encoder|pooler)\\.', to: 'bert.\\1.'}}]
    parameters: {{weight: 0.5}}
  - model: {classifier}
    parameters: {{weight: 0.5}}
"""


def prefixed(weights: dict[str, object]) -> dict[str, object]:
    return {re.sub(r"^(embeddings|encoder|pooler)\.", r"bert.\1.", name): value for name, value in weights.items()}


@pytest.mark.clients
def test_three_published_pickles_make_a_model(torch: ModuleType, rxnfp: tuple[Path, Path, Path], merge: Merge) -> None:
    """Names with and without a prefix, a tied decoder in one of three, foreign pickles beside them."""
    transformers = pytest.importorskip("transformers", reason="needs scripts/setup --clients")
    out = merge(RXNFP.format(base=rxnfp[0], tuned=rxnfp[1], classifier=rxnfp[2]))
    base, tuned, classifier = (
        prefixed(torch.load(path / "pytorch_model.bin", map_location="cpu", weights_only=True)) for path in rxnfp
    )
    found = load_file(out / "model.safetensors")
    name = "bert.encoder.layer.5.attention.self.query.weight"
    exact = base[name].double() + 0.5 * (tuned[name].double() - base[name].double())
    exact += 0.5 * (classifier[name].double() - base[name].double())
    np.testing.assert_allclose(found[name], exact.numpy(), rtol=3e-7, atol=3e-7)
    assert not any(name.startswith(("embeddings.", "encoder.")) for name in found)

    model, report = transformers.BertForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert not [key for key in report["missing_keys"] if key.startswith("bert.encoder")]
    with torch.no_grad():
        logits = model.eval()(torch.arange(8).reshape(1, 8)).logits
    assert logits.shape == (1, 8, 591) and bool(logits.isfinite().all())
    loaded = dict(model.named_parameters())[name].detach().numpy()
    assert np.array_equal(loaded, found[name])


def test_commands_read_pickles(run: Run, rxnfp: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, _, classifier = rxnfp
    compared = json.loads(run("diff", base, classifier, "--json").stdout)
    assert 0.05 < compared["all"]["relative"] < 0.5
    (tmp_path / "r.yml").write_text(
        f"merge_method: linear\nmissing: skip\nmodels:\n  - {{model: {base}, parameters: {{weight: 1}}}}\n"
        f"  - {{model: {classifier}, parameters: {{weight: 1}}}}\n"
    )
    assert run("plan", "r.yml").returncode == 0
    done = run("merge", "r.yml", "out")
    assert done.returncode == 0, done.stderr
    assert run("verify", "out", "--replay", "3").returncode == 0
    assert run("verify", classifier).returncode == 0
    assert run("reproduce", "out", "again").returncode == 0


def test_verify_names_the_check(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(legacy(pickle.dumps({"w": 1}, 2))[:-20])
    (tmp_path / "model").mkdir()
    shutil.copy(path, tmp_path / "model/pytorch_model.bin")
    for model in (path, tmp_path / "model"):
        done = run("verify", model, "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["findings"][0]["check"].startswith(("PK-", "LG-"))


def test_plain_tensor_files_by_mergekits_name(run: Run, binary: Path, tmp_path: Path) -> None:
    """mergekit-pytorch: what only some have is an error, left out (-i), or merged over those that have it (-u)."""
    random = np.random.default_rng(0)
    tensors = {name: random.standard_normal((3, 2)).astype(np.float32) for name in "abc"}
    save_file({name: tensors[name] for name in "ab"}, tmp_path / "x.safetensors")
    save_file({name: tensors[name] for name in "bc"}, tmp_path / "y.safetensors")
    (tmp_path / "r.yml").write_text(
        "merge_method: linear\nmodels:\n  - {model: x.safetensors, parameters: {weight: 1}}\n"
        "  - {model: y.safetensors, parameters: {weight: 1}}\n"
    )
    link = tmp_path / "mergekit-pytorch"
    link.symlink_to(binary)

    def merged(*flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([link, "r.yml", "out", *flags], cwd=tmp_path, capture_output=True, text=True)

    refused = merged()
    assert refused.returncode == 1 and 'no tensor "' in refused.stderr
    for flag, names in (("-i", "b"), ("--tensor-union", "abc")):
        assert merged(flag).returncode == 0
        assert sorted(load_file(tmp_path / "out/model.safetensors")) == list(names)
        assert not (tmp_path / "out/README.md").exists()
        shutil.rmtree(tmp_path / "out")
