"""Vocabularies, and counts in a vocabulary's order."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from histobench import DataError, ShapeError
from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.h5ad import (
    filter_genes,
    filtered_path,
    read_centres,
    read_counts,
    write_counts,
)
from histobench_datasets.visium.vocabulary import read_vocabulary, shared_genes, write_vocabulary

GENES = [f"Gene{i}" for i in range(60)]
VALUES = np.random.default_rng(0).poisson(1, (8, 60)).astype(np.float32)
VOCABULARY = tuple(np.random.default_rng(1).permutation(GENES)[:50].tolist())


@pytest.fixture
def raw(tmp_path):
    """A file of counts with what else is known of the spots."""
    obs = pd.DataFrame({"sample": ["S1"] * 8}, index=[f"spot{i}" for i in range(8)])
    table = anndata.AnnData(X=sparse.csr_matrix(VALUES), obs=obs, var=pd.DataFrame(index=GENES))
    table.obsm["spatial"] = np.arange(16.0).reshape(8, 2)
    table.write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_columns_follow_the_vocabulary_and_rows_stay(raw):
    done = filter_genes(raw, VOCABULARY, filtered_path(raw))
    read = anndata.io.read_h5ad(raw.with_name("data_filt.h5ad"))
    assert done.path.name == "data_filt.h5ad"
    assert tuple(read.var_names) == VOCABULARY
    np.testing.assert_array_equal(read.X.toarray(), VALUES[:, [GENES.index(gene) for gene in VOCABULARY]])
    assert list(read.obs["sample"]) == ["S1"] * 8
    np.testing.assert_array_equal(read.obsm["spatial"], np.arange(16.0).reshape(8, 2))


def test_missing_gene_is_refused_by_name(raw):
    with pytest.raises(
        DataError, match=r"1 of the vocabulary's 51 genes were not measured: Xist; or use --missing zero"
    ):
        filter_genes(raw, ("Xist", *VOCABULARY), filtered_path(raw))
    assert not filtered_path(raw).exists()


def test_missing_gene_is_zero_where_asked(raw):
    done = filter_genes(raw, ("Gene3", "Xist", "Gene1"), filtered_path(raw), missing="zero")
    assert done.missing == ("Xist",)
    expected = np.column_stack([VALUES[:, 3], np.zeros(8), VALUES[:, 1]])
    np.testing.assert_array_equal(read_counts(done.path).values.toarray(), expected)


def test_names_of_another_kind_are_refused_in_any_case(raw):
    with pytest.raises(DataError, match=r"2 of the vocabulary's 2 genes .* do both name genes by symbol"):
        filter_genes(raw, ("ENSMUSG1", "ENSMUSG2"), filtered_path(raw), missing="zero")


@pytest.mark.parametrize(("scale", "is_raw"), [(1.0, True), (0.3, False)])
def test_counts_that_are_not_whole_are_noticed(tmp_path, scale, is_raw):
    anndata.AnnData(X=VALUES * np.float32(scale), var=pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "x.h5ad")
    assert filter_genes(tmp_path / "x.h5ad", VOCABULARY, tmp_path / "y.h5ad").is_raw == is_raw


def test_counts_survive_a_file(tmp_path):
    counts = GeneCounts(barcodes=tuple("abcdefgh"), genes=tuple(GENES), values=sparse.csr_matrix(VALUES))
    write_counts(tmp_path / "x.h5ad", counts)
    read = read_counts(tmp_path / "x.h5ad")
    assert (read.barcodes, read.genes) == (counts.barcodes, counts.genes)
    np.testing.assert_array_equal(read.values.toarray(), VALUES)


def test_counts_check_themselves():
    with pytest.raises(ShapeError, match=r"counts must be \(2 spots, 60 genes\), got \(8, 60\)"):
        GeneCounts(barcodes=("a", "b"), genes=tuple(GENES), values=sparse.csr_matrix(VALUES))
    with pytest.raises(ShapeError, match="gene names must be unique"):
        GeneCounts(barcodes=("a",), genes=("x", "x"), values=sparse.csr_matrix((1, 2)))


def test_centres_are_read(raw):
    np.testing.assert_array_equal(read_centres(raw), np.arange(16.0).reshape(8, 2))


def test_missing_centres_are_told(tmp_path):
    anndata.AnnData(X=VALUES).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match=r"has no obsm\['spatial'\]"):
        read_centres(tmp_path / "x.h5ad")


def test_truncated_counts_are_told(raw):
    raw.write_bytes(raw.read_bytes()[:4000])
    with pytest.raises(DataError, match="is not a readable AnnData file"):
        read_counts(raw)


def test_negative_counts_are_told(tmp_path):
    anndata.AnnData(X=VALUES - 1).write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match="negative or not finite"):
        read_counts(tmp_path / "x.h5ad")


# Vocabularies


def test_lines_lose_their_ends_and_empty_ones_are_none(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"Gad1\r\nPvalb \n\nSst\n")
    assert read_vocabulary(tmp_path / "vocab.txt") == ("Gad1", "Pvalb", "Sst")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; it must have one gene per line"),
        ("a\nb\na\n", "names 'a' more than once"),
        (None, "vocabulary '.*' does not exist"),
    ],
)
def test_damaged_vocabulary_is_told(tmp_path, text, message):
    if text is not None:
        (tmp_path / "vocab.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_vocabulary(tmp_path / "vocab.txt")


def test_shared_genes_leave_mitochondria_out(tmp_path):
    genes = shared_genes([["Sst", "mt-Co1", "Gad1", "Xist"], ["Xist", "Sst", "mt-Co1"]])
    write_vocabulary(tmp_path / "vocab.txt", genes)
    assert (tmp_path / "vocab.txt").read_text() == "Sst\nXist\n"


def test_samples_without_a_shared_gene_are_told():
    with pytest.raises(DataError, match="the 2 samples share no gene"):
        shared_genes([["Sst"], ["SST"]])
