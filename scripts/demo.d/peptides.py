"""mhcnuggets' published networks: which peptide does an MHC allele bind? Convert them, and measure them in numpy.

One network per allele, all of one architecture and mostly fine-tuned from HLA-A02:01: LSTM 64, dense 64, dense 1.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import load_file, save_file

from published import MHCNUGGETS, fetch

Tensors = dict[str, np.ndarray]

BASE = "HLA-A02:01"
ALLELES = [
    "HLA-A03:01",
    "HLA-B07:02",
    "HLA-A01:01",
    "HLA-A24:02",
    "HLA-B08:01",
    "HLA-B27:05",
    "HLA-A11:01",
    "HLA-B15:01",
]
RESIDUES = "ACDEFGHIKLMNPQRSTVWYX"
LONGEST = 15
BINDS_BELOW_NM = 500.0

# HDF5 path in Keras' file -> tensor name of the converted model
LAYOUT = {
    "lstm_1/lstm_1/kernel:0": "lstm.kernel",
    "lstm_1/lstm_1/recurrent_kernel:0": "lstm.recurrent_kernel",
    "lstm_1/lstm_1/bias:0": "lstm.bias",
    "dense_1/dense_1/kernel:0": "hidden.kernel",
    "dense_1/dense_1/bias:0": "hidden.bias",
    "dense_2/dense_2/kernel:0": "output.kernel",
    "dense_2/dense_2/bias:0": "output.bias",
}


def short_name(allele: str) -> str:
    """A word fit for files and recipes: HLA-A02:01 -> a0201."""
    return allele.removeprefix("HLA-").replace(":", "").lower()


def convert(folder: Path) -> dict[str, Path]:
    """Write base and fine-tunes as model folders (model.safetensors, config.json); returns allele -> folder."""
    made = {allele: folder / short_name(allele) for allele in [BASE, *ALLELES]}
    with zipfile.ZipFile(fetch(MHCNUGGETS)) as archive:
        for allele, target in made.items():
            target.mkdir(parents=True, exist_ok=True)
            with h5py.File(io.BytesIO(archive.read(f"mhcnuggets/saves/production/{allele}_BA.h5"))) as source:
                tensors = {name: np.asarray(source[path]) for path, name in LAYOUT.items()}
            save_file(tensors, target / "model.safetensors")
            config = {"architectures": ["MhcNuggetsLSTM"], "model_type": "mhcnuggets_lstm", "hidden_size": 64}
            (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return made


@dataclass(frozen=True)
class Labels:
    """The distinct peptides, longest first: codes [n, LONGEST] (-1 beyond the end), lengths [n]; and what was measured.

    measured[allele] = (rows of the peptides [m], whether each binds [m]); most peptides were tried on several alleles.
    """

    codes: np.ndarray
    lengths: np.ndarray
    measured: dict[str, tuple[np.ndarray, np.ndarray]]


def read_labels() -> Labels:
    """The package's own measurements for ALLELES: every row with a peptide of at most LONGEST letters."""
    found: dict[str, list[tuple[str, float]]] = {allele: [] for allele in ALLELES}
    table = "mhcnuggets/data/production/mhcI/curated_training_data.csv"
    with zipfile.ZipFile(fetch(MHCNUGGETS)) as archive, archive.open(table) as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
            allele = row["mhc"].replace("*", "")  # the table writes HLA-A*02:01, the files HLA-A02:01
            if allele in found and len(row["peptide"]) <= LONGEST:
                found[allele].append((row["peptide"], float(row["IC50(nM)"])))
    distinct = sorted({peptide for rows in found.values() for peptide, _ in rows}, key=lambda text: (-len(text), text))
    codes = np.full((len(distinct), LONGEST), -1, np.int8)
    for line, peptide in zip(codes, distinct, strict=True):
        line[: len(peptide)] = [RESIDUES.index(letter) for letter in peptide]
    row_of = {peptide: row for row, peptide in enumerate(distinct)}
    measured = {
        allele: (
            np.array([row_of[peptide] for peptide, _ in rows]),
            np.array([ic50 <= BINDS_BELOW_NM for _, ic50 in rows]),
        )
        for allele, rows in found.items()
    }
    return Labels(codes, np.array([len(peptide) for peptide in distinct]), measured)


def scores(model: Tensors, codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The network's output per peptide, before the last sigmoid (which keeps the order, all that AUC looks at).

    A residue enters as 0.9 at its own place and 0.005 at the twenty others, so its share of the gates is one row of a
    table. Peptides are sorted by length: those still running are always the first rows.
    """
    kernel, recurrent = model["lstm.kernel"], model["lstm.recurrent_kernel"]
    table = 0.895 * kernel + 0.005 * kernel.sum(axis=0) + model["lstm.bias"]
    hidden = np.zeros((len(codes), 64), np.float32)
    cell = np.zeros_like(hidden)
    for step in range(LONGEST):
        running = int(np.count_nonzero(lengths > step))
        gates = hidden[:running] @ recurrent
        gates += table[codes[:running, step]]
        keep = np.clip(0.2 * gates[:, :128] + 0.5, 0, 1)  # hard sigmoid; gate order is input, forget, cell, output
        out = np.clip(0.2 * gates[:, 192:] + 0.5, 0, 1)
        cell[:running] = keep[:, 64:] * cell[:running] + keep[:, :64] * np.tanh(gates[:, 128:192])
        hidden[:running] = out * np.tanh(cell[:running])
    dense = np.tanh(hidden @ model["hidden.kernel"] + model["hidden.bias"])
    return (dense @ model["output.kernel"] + model["output.bias"])[:, 0]


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive outranks a negative; equal scores count half."""
    _, where, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[where]
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    return float((rank[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def load(model: Path) -> Tensors:
    return load_file(model / "model.safetensors" if model.is_dir() else model)


def measure(model: Tensors, labels: Labels, alleles: list[str] = ALLELES) -> dict[str, float]:
    """AUC of one model on each of the alleles."""
    asked = np.unique(np.concatenate([labels.measured[allele][0] for allele in alleles]))
    score = np.full(len(labels.codes), np.nan, np.float32)
    score[asked] = scores(model, labels.codes[asked], labels.lengths[asked])
    return {allele: auc(score[rows], binds) for allele, (rows, binds) in labels.measured.items() if allele in alleles}


def mean_auc(by_allele: dict[str, float]) -> float:
    return sum(by_allele.values()) / len(by_allele)
