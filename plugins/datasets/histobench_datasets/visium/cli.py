"""The command ``histobench prepare``; its dependencies are imported when it runs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from histobench_datasets.visium.extract import Cutting, Source
    from histobench_datasets.visium.macenko import Stains

__all__ = ["prepare"]

_PATH = click.Path(path_type=Path)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_Command = Callable[..., Any]
_option = partial(click.option, show_default=True)

_PATCH = (
    _option("--patch-sz-um", default=55.0, type=_POSITIVE, help="Side of a patch in µm."),
    _option(
        "--patch-sz-px",
        default=128,
        type=click.IntRange(1, 8192),
        help="Side of a patch in pixels, to which it is resized.",
    ),
    click.option("--mpp", type=_POSITIVE, help="Microns per pixel of the slide, instead of those in its file."),
    click.option("--antialias", is_flag=True, help="Widen the filter when a patch is reduced."),
)
_SPOTS = (
    click.option("--space-ranger-dir", type=_PATH, help="Folder with the matrix and 'spatial'; or one of HD's bins."),
    click.option("--spots", type=_PATH, help="Instead: .h5ad with obsm['spatial'], or .h5 with corners 'xy'."),
    click.option("--wsi-file", required=True, type=_PATH, help="Full-resolution image."),
    click.option("--is-hd", is_flag=True, help="Visium HD: add bins up to pseudo-spots."),
    _option("--stride", default=5, type=click.IntRange(1, 100_000), help="Bins between pseudo-spots."),
    _option("--min-coverage", default=1.0, type=click.FloatRange(0, 1), help="Least share of bins under tissue."),
    click.option("--use-wsi-res", is_flag=True, help="Take microns per pixel from the slide, not from Space Ranger."),
    _option("--spot-diameter-um", default=65.0, type=_POSITIVE, help="Spot diameter; published: 55."),
    _option("--background", default=255.0, help="Drop patches with a higher mean brightness."),
    click.option("--coordinates", type=_PATH, help="Also write the places of the patches to this .h5 file."),
)
_OUT_DIR = click.option("--out-dir", required=True, type=_PATH, help="Folder to write to.")
_VOCABULARY = click.option("--vocab-file", required=True, type=_PATH, help="Text file with one gene per line.")
_MISSING = _option("--missing", default="error", type=click.Choice(["error", "zero"]), help="Genes not measured.")
_NORMALIZE = _option("--normalize/--no-normalize", default=True, help="Normalise stains (Macenko).")


def _with(options: tuple[Callable[[_Command], _Command], ...]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds several options to a command."""

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group()
def prepare() -> None:
    """Make patches and counts in the same order from a slide and Visium, Visium HD or AnnData."""


@prepare.command()
@_with((*_SPOTS, *_PATCH))
@_OUT_DIR
def extract(out_dir: Path, **given: Any) -> None:  # Any: options, typed by click
    """Cut a patch around every spot: write OUT_DIR/imgs.h5, and gex.h5ad with the same rows."""
    _extract(out_dir, given)


@prepare.command("filter")
@click.option("--raw-file", required=True, type=_PATH, help="Counts, x.h5ad.")
@_VOCABULARY
@click.option("--out-file", type=_PATH, help="File to write.  [x_filt.h5ad in the same folder]")
@_MISSING
def filter_(raw_file: Path, vocab_file: Path, out_file: Path | None, missing: str) -> None:
    """Keep the genes of a vocabulary, in its order."""
    _filter(raw_file, vocab_file, out_file, missing)


@prepare.command()
@click.argument("samples", nargs=-1, required=True, type=_PATH, metavar="X.h5ad...")
@click.option("--out-file", required=True, type=_PATH, help="Vocabulary to write.")
def vocabulary(samples: tuple[Path, ...], out_file: Path) -> None:
    """Make a vocabulary: the genes that all samples share, except mitochondrial ones."""
    from histobench_datasets.visium.h5ad import read_counts
    from histobench_datasets.visium.vocabulary import shared_genes, write_vocabulary
    from histobench_datasets.visium.written import keep_inputs

    keep_inputs([out_file], samples)
    genes = shared_genes([read_counts(path).genes for path in samples])
    write_vocabulary(out_file, genes)
    click.echo(f"{out_file}: {len(genes)} genes of {len(samples)} samples")


@prepare.command()
@click.option("--ids", help="Comma-separated samples, each ROOT_DIR/<id>/imgs.h5.")
@click.option("--root-dir", type=_PATH, help="Folder of the samples' folders.")
@click.option("--wsi-dir", type=_PATH, help="Folder of slides, each with a name that ends in a sample's id.")
@click.option("--images", type=_PATH, help="Instead of these three: one file of patches …")
@click.option("--wsi-file", type=_PATH, help="… and its slide; not needed without normalising.")
@_OUT_DIR
@_NORMALIZE
def dump(out_dir: Path, normalize: bool, images: Path | None, wsi_file: Path | None, **given: Any) -> None:
    """Write patches as PNG files, named by their number, with normalised stains."""
    from histobench import ConfigError
    from histobench_datasets.visium.samples import find_slide, sample_ids

    ids, root_dir, wsi_dir = given["ids"], given["root_dir"], given["wsi_dir"]
    if images is not None:
        if any(value is not None for value in given.values()):
            raise ConfigError(
                "--images names one file of patches, --ids and --root-dir several; give one or the other."
            )
        _dump(images, out_dir, _stains(wsi_file, normalize=normalize))
        return
    if ids is None or root_dir is None or wsi_file is not None or (normalize and wsi_dir is None):
        raise ConfigError("give --images, or --ids and --root-dir with --wsi-dir for normalisation.")
    samples = sample_ids(ids)
    slides = {sample: find_slide(wsi_dir, sample) if normalize else None for sample in samples}
    for sample in samples:
        _dump(root_dir / sample / "imgs.h5", out_dir / sample, _stains(slides[sample], normalize=normalize))


@prepare.command()
@click.option("--wsi-file", required=True, type=_PATH, help="Full-resolution image.")
@click.option("--tissue-seg-file", type=_PATH, help="GeoJSON of tissue.  [found by saturation]")
@click.option("--out-file", required=True, type=_PATH, help="HDF5 file of patches to write.")
@_option("--n-pts", default=50_000, type=click.IntRange(1, 10_000_000), help="Number of patches.")
@_option("--seed", default=0, type=click.IntRange(min=0))
@_option("--by", default="corner", type=click.Choice(["corner", "centre"]), help="The point of a patch that is random.")
@_with(_PATCH)
def random(wsi_file: Path, tissue_seg_file: Path | None, out_file: Path, **given: Any) -> None:
    """Cut patches at random inside tissue: the reference of image-quality metrics."""
    from histobench import ConfigError
    from histobench_datasets.visium.patches import PatchField, cut_patches, write_patches
    from histobench_datasets.visium.slide import open_slide
    from histobench_datasets.visium.written import keep_inputs, replaced_file

    keep_inputs([out_file], [wsi_file, tissue_seg_file])
    try:
        from histobench_datasets.visium.tissue import Sampling, random_corners, read_contours, segment_tissue
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "shapely":
            raise
        raise ConfigError("this needs shapely: pip install 'histobench[prepare]'.") from error
    slide = open_slide(wsi_file, given["mpp"])
    if slide.mpp is None:
        raise ConfigError(f"'{wsi_file}' does not state its microns per pixel: give them with --mpp.")
    px = given["patch_sz_px"]
    field = PatchField.of(patch_um=given["patch_sz_um"], patch_px=px, mpp=slide.mpp, antialias=given["antialias"])
    tissue = segment_tissue(slide) if tissue_seg_file is None else read_contours(tissue_seg_file, slide)
    sampling = Sampling(n=given["n_pts"], seed=given["seed"], by=given["by"])
    corners = random_corners(tissue, field.slide_px, sampling)
    with replaced_file(out_file) as new:
        write_patches(new, cut_patches(slide, corners, field), patch_px=px, barcodes=None)
    click.echo(f"{out_file}: {len(corners)} patches of {px} pixels, cut from {field.slide_px} of the slide")


@prepare.command("all")
@_with((*_SPOTS, *_PATCH))
@_OUT_DIR
@_VOCABULARY
@_MISSING
@_NORMALIZE
def all_(out_dir: Path, vocab_file: Path, missing: str, normalize: bool, **given: Any) -> None:
    """Extract, filter and dump a sample: OUT_DIR/gex_filt.h5ad and the folder OUT_DIR/patches."""
    from histobench import ConfigError
    from histobench_datasets.visium.dump import check_patches
    from histobench_datasets.visium.vocabulary import read_vocabulary
    from histobench_datasets.visium.written import keep_inputs

    if given["spots"] is not None and given["spots"].suffix != ".h5ad":
        raise ConfigError(
            "places without counts cannot be filtered: run extract and dump, or give an .h5ad to --spots."
        )
    # check everything before the patches are cut
    wanted = {"genes": read_vocabulary(vocab_file), "missing": missing}
    keep_inputs([out_dir / "gex_filt.h5ad"], [vocab_file, given["spots"], given["wsi_file"]])
    check_patches(out_dir / "patches")
    stains = _stains(given["wsi_file"], normalize=normalize)
    _extract(out_dir, given, **wanted)
    _filter(out_dir / "gex.h5ad", vocab_file, None, missing)
    _dump(out_dir / "imgs.h5", out_dir / "patches", stains)


def _extract(out_dir: Path, given: dict[str, Any], **wanted: Any) -> None:  # Any: of `Source`
    from histobench_datasets.visium import extract as extraction
    from histobench_datasets.visium.slide import open_slide

    source, cutting = _parse(given, **wanted)
    slide = open_slide(given["wsi_file"], given["mpp"])
    done = extraction.extract(source, slide, out_dir, cutting=cutting, coordinates=given["coordinates"])
    dropped = f", {done.n_dropped} dropped as glass" if done.n_dropped else ""
    px = given["patch_sz_px"]
    where = f"of {px} pixels, cut from {done.slide_px} of the slide at {done.mpp:.4g} µm per pixel"
    click.echo(f"{out_dir / extraction.IMAGES}: {done.n} patches {where}{dropped}")


def _parse(given: dict[str, Any], **wanted: Any) -> tuple["Source", "Cutting"]:
    from histobench import ConfigError
    from histobench_datasets.visium.extract import Cutting, Source
    from histobench_datasets.visium.spots import SpotRules

    folder, places = given["space_ranger_dir"], given["spots"]
    if (folder is None) == (places is None):
        raise ConfigError("give either --space-ranger-dir or --spots.")
    if given["is_hd"] and folder is None:
        raise ConfigError("--is-hd applies to --space-ranger-dir only, not to --spots.")
    rules = SpotRules(
        patch_um=given["patch_sz_um"],
        stride=given["stride"],
        min_coverage=given["min_coverage"],
        spot_diameter_um=given["spot_diameter_um"],
    )
    kind: Literal["visium", "visium-hd"] = "visium-hd" if given["is_hd"] else "visium"
    source = Source(path=folder or places, kind="places" if folder is None else kind, rules=rules, **wanted)
    use_slide_mpp = given["use_wsi_res"] or given["mpp"] is not None
    return source, Cutting(
        patch_px=given["patch_sz_px"],
        use_slide_mpp=use_slide_mpp,
        antialias=given["antialias"],
        brightest=given["background"],
    )


def _filter(raw_file: Path, vocab_file: Path, out_file: Path | None, missing: str) -> None:
    from histobench_datasets.visium.h5ad import filter_genes, filtered_path
    from histobench_datasets.visium.vocabulary import read_vocabulary
    from histobench_datasets.visium.written import keep_inputs

    genes, out_file = read_vocabulary(vocab_file), out_file or filtered_path(raw_file)
    keep_inputs([out_file], [raw_file, vocab_file])
    done = filter_genes(raw_file, genes, out_file, missing="zero" if missing == "zero" else "error")
    if done.missing:
        share = len(done.missing) / done.n_genes
        click.echo(f"warning: {len(done.missing)} genes ({share:.1%}) were not measured and are set to zero", err=True)
    if not done.is_raw:
        click.echo(f"warning: '{raw_file}' holds numbers that are not whole; raw counts are expected", err=True)
    click.echo(f"{done.path}: {done.n_genes} genes")


def _stains(wsi_file: Path | None, *, normalize: bool) -> "Stains | None":
    from histobench import ConfigError
    from histobench_datasets.visium.dump import slide_stains
    from histobench_datasets.visium.slide import open_slide

    if not normalize:
        return None
    if wsi_file is None:
        raise ConfigError("normalisation needs the slide: give --wsi-file, or use --no-normalize.")
    return slide_stains(open_slide(wsi_file))


def _dump(images: Path, folder: Path, stains: "Stains | None") -> None:
    from histobench_datasets.visium.dump import dump_patches

    click.echo(f"{folder}: {dump_patches(images, folder, stains=stains)} patches")
