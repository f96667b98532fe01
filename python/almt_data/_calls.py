"""The commands of `almt-data` as functions.

Keyword arguments have the names of the command line's options, with underscores for dashes, and
mean the same. Each function returns the command's report as data and prints nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from almt_data import _native
from almt_data._limits import Limits, known
from almt_data._progress import Progress, observer

if TYPE_CHECKING:
    from typing_extensions import Unpack

PathLike = str | os.PathLike[str]
Report = dict[str, Any]


def convert(
    pickles: PathLike | Sequence[PathLike],
    output: PathLike | None = None,
    *,
    overwrite: bool = False,
    explain: bool = False,
    dataset: str | None = None,
    label_range: str | None = None,
    label_neutral: float | None = None,
    label_bins: Mapping[str, str] | None = None,
    label_scale: PathLike | None = None,
    split: str | None = None,
    layout: str | None = None,
    max_len: Mapping[str, int] | None = None,
    features: Mapping[str, str] | None = None,
    drop_unlabelled: bool = False,
    on_nonfinite: Literal["loaders", "zero", "mean", "drop-segment", "keep", "error"] = "loaders",
    on_overflow: Literal["error", "clip", "zero", "mean", "drop-segment"] = "error",
    no_sync: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    text_encoding: str | None = None,
    text_errors: Literal["refuse", "replace"] = "refuse",
    format: Literal["hdf5", "arrow"] | None = None,
    compression: Literal["none", "gzip", "zstd", "lz4"] = "none",
    entry: str | None = None,
    progress: Progress = None,
    **limits: Unpack[Limits],
) -> Report:
    """Converts feature pickles into a validated store, without executing any code in them.

    Args:
        pickles: A pickle in the layout of MMSA, the CMU SDK, MISA or MAG-BERT, packed or not; or
            all pickles of a source with a file per split, or their folder.
        output: The store, `.h5` or `.arrow`. By default it lies next to the pickle or folder.
        overwrite: Replace an existing store.
        explain: Write nothing; return which layouts were tried, how each key is used, the padding
            side and the dataset.
        dataset: `mosi`, `mosei`, `sims`, `simsv2` or `own`, if it cannot be inferred from shapes and
            labels.
        label_range: Range of the labels of your own dataset, such as `1,5`.
        label_neutral: Its label between negative and positive.
        label_bins: Limits between classes of its labels by the name of the division, such as
            `{"stars": "1.5,2.5,3.5,4.5"}`.
        label_scale: A TOML file that describes its labels instead.
        split: The split of a single-split file, if its name does not contain it.
        layout: `mmsa`, `sdk`, `misa` or `mag-bert`, instead of detecting it.
        max_len: Frames to truncate samples to, by modality, such as `{"audio": 500}`.
        features: Names of features by modality, a known set and how its values are, such as
            `{"vision": "openface2-709:averaged"}`.
        drop_unlabelled: Drop segments without a label from splits that have labels.
        on_nonfinite: How to handle NaN and infinity; `loaders` replaces -inf by 0, as the published
            data loaders do, and rejects NaN and +inf.
        on_overflow: How to handle finite values outside the range of `dtype`.
        no_sync: Do not flush the store to disk: faster, but it can be lost if the machine crashes.
        dtype: Element type of the stored features.
        text_encoding: Encoding of byte strings that are not UTF-8, such as `gbk` or `utf-8,gbk`.
        text_errors: How to handle invalid bytes and lone surrogates.
        format: Store format, if `output` does not determine it.
        compression: `gzip` for HDF5, `zstd` or `lz4` for Arrow. Compressed stores cannot be mapped.
        entry: Entry to read from a zip or tar archive.
        progress: A function of stage, bytes done and bytes in total; `False` for none; by default a
            bar of tqdm, if it is installed and there is a terminal or a notebook.
        **limits: What the pickle may ask for, see `Limits`.

    Returns:
        The report on the store: `output`, `dataset`, `layout`, `splits` with their shapes, `notes`
        on every changed value, `findings`, `sources`, `digest` and `n_bytes`. With `explain`:
        `path`, the `explanation` as a text, and the `dataset`.

    Raises:
        Error: The pickle is refused or damaged, the store exists, or an option is wrong. Nothing is
            left behind.
        KeyboardInterrupt: Ctrl-C was pressed. Nothing is left behind.

    Example:
        >>> report = almt_data.convert("unaligned_50.pkl", "mosi.h5", max_len={"audio": 500})
    """
    return _report(
        "convert",
        _paths(pickles),
        progress,
        output=output,
        overwrite=overwrite,
        explain=explain,
        dataset=dataset,
        label_range=label_range,
        label_neutral=label_neutral,
        label_bins=label_bins,
        label_scale=label_scale,
        split=split,
        layout=layout,
        max_len=max_len,
        features=features,
        drop_unlabelled=drop_unlabelled,
        on_nonfinite=on_nonfinite,
        on_overflow=on_overflow,
        no_sync=no_sync,
        dtype=dtype,
        text_encoding=text_encoding,
        text_errors=text_errors,
        format=format,
        compression=compression,
        entry=entry,
        **known("convert", limits),
    )


def align(
    reference: PathLike,
    labels: PathLike,
    sequence: Mapping[str, PathLike],
    output: PathLike,
    *,
    overwrite: bool = False,
    vectors: PathLike | None = None,
    folds: PathLike = "standard",
    dataset: str | None = None,
    label_range: str | None = None,
    label_neutral: float | None = None,
    label_bins: Mapping[str, str] | None = None,
    label_scale: PathLike | None = None,
    compat: Literal["sdk"] | None = None,
    recipe: Literal["examples", "tutorial"] | None = None,
    pooling: Literal["overlap", "mean", "max", "none"] | None = None,
    border: Literal["larger", "both", "inside"] | None = None,
    missing: Literal["zero", "drop-row", "drop-segment"] | None = None,
    values: Literal["finite", "all"] | None = None,
    pauses: Literal["drop", "keep"] | None = None,
    cut: Literal["back", "front"] | None = None,
    max_len: Mapping[str, int] | None = None,
    drop_unlabelled: bool = False,
    on_nonfinite: Literal["loaders", "zero", "mean", "drop-segment", "keep", "error"] = "loaders",
    on_overflow: Literal["error", "clip", "zero", "mean", "drop-segment"] = "error",
    no_sync: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    format: Literal["hdf5", "arrow"] | None = None,
    compression: Literal["none", "gzip", "zstd", "lz4"] = "none",
    progress: Progress = None,
) -> Report:
    """Aligns computational sequences (`.csd`) of the CMU SDK, and makes a store of the segments.

    Args:
        reference: The sequence whose rows are the steps: words, or vectors of words.
        labels: The sequence whose rows are the segments.
        sequence: A sequence of features per modality, such as `{"audio": "COVAREP.csd"}`.
        output: The store, `.h5` or `.arrow`.
        overwrite: Replace an existing store.
        vectors: Vectors of words as text, which become the text features.
        folds: `standard` for the dataset's standard folds, a JSON file of videos by split, or `none`.
        dataset: `mosi`, `mosei`, `sims`, `simsv2` or `own`, if it cannot be inferred.
        label_range: Range of the labels of your own dataset, such as `1,5`.
        label_neutral: Its label between negative and positive.
        label_bins: Limits between classes of its labels by the name of the division, such as
            `{"stars": "1.5,2.5,3.5,4.5"}`.
        label_scale: A TOML file that describes its labels instead.
        compat: `sdk` to reproduce the SDK with all its quirks.
        recipe: The steps to reproduce; by default those that fit the reference.
        pooling: How rows become one per step; by default their mean weighted by the time of overlap.
        border: Which segment gets a row over the border of two; by default that with the larger share.
        missing: What stands for a step for which a sequence has nothing; by default zeros.
        values: Which values a mean is of; by default those that are finite.
        pauses: What becomes of pauses among the words; by default they are dropped.
        cut: Which end of a segment longer than `max_len` is cut; by default the back.
        max_len: Steps to cut segments to, by modality.
        drop_unlabelled: Drop segments without a label from splits that have labels.
        on_nonfinite: How to handle NaN and infinity that remain, as for `convert`.
        on_overflow: How to handle finite values outside the range of `dtype`.
        no_sync: Do not flush the store to disk.
        dtype: Element type of the stored features.
        format: Store format, if `output` does not determine it.
        compression: `gzip` for HDF5, `zstd` or `lz4` for Arrow.
        progress: As for `convert`.

    Returns:
        The report on the store: `output`, `dataset`, `splits` with their shapes, `notes` on the
        policies and everything left out, `findings`, `sources`, `digest` and `n_bytes`.

    Raises:
        Error: A file is damaged, the sequences do not fit together, or an option is wrong. Nothing is
            left behind.
        KeyboardInterrupt: Ctrl-C was pressed. Nothing is left behind.

    Example:
        >>> report = almt_data.align("words.csd", "labels.csd", {"audio": "COVAREP.csd"}, "mosi.h5")
    """
    return _report(
        "align",
        [],
        progress,
        reference=reference,
        labels=labels,
        sequence=sequence,
        output=output,
        overwrite=overwrite,
        vectors=vectors,
        folds=folds,
        dataset=dataset,
        label_range=label_range,
        label_neutral=label_neutral,
        label_bins=label_bins,
        label_scale=label_scale,
        compat=compat,
        recipe=recipe,
        pooling=pooling,
        border=border,
        missing=missing,
        values=values,
        pauses=pauses,
        cut=cut,
        max_len=max_len,
        drop_unlabelled=drop_unlabelled,
        on_nonfinite=on_nonfinite,
        on_overflow=on_overflow,
        no_sync=no_sync,
        dtype=dtype,
        format=format,
        compression=compression,
    )


def build(
    labels: PathLike,
    output: PathLike | None = None,
    *,
    audio: PathLike | None = None,
    vision: PathLike | None = None,
    text: PathLike | None = None,
    column: Mapping[str, str | int] | None = None,
    text_encoding: str | None = None,
    dataset: str | None = None,
    label_range: str | None = None,
    label_neutral: float | None = None,
    label_bins: Mapping[str, str] | None = None,
    label_scale: PathLike | None = None,
    split: str | None = None,
    length: Mapping[str, int | Literal["longest", "mean+3sd"]] | None = None,
    cut: Literal["end", "start"] = "end",
    pool: Mapping[str, int] | None = None,
    failed_faces: Literal["keep", "zero", "interpolate", "drop"] = "keep",
    min_confidence: float | None = None,
    features: Mapping[str, str] | None = None,
    words: PathLike | None = None,
    tier: str | None = None,
    word_pooling: Literal["overlap", "mean", "max", "none"] | None = None,
    missing: Literal["zero", "drop-row", "drop-segment"] | None = None,
    values: Literal["finite", "all"] | None = None,
    pauses: Literal["drop", "keep"] | None = None,
    frame_rate: Mapping[str, float] | None = None,
    drop_incomplete: bool = False,
    drop_unlabelled: bool = False,
    on_nonfinite: Literal["loaders", "zero", "mean", "drop-segment", "keep", "error"] = "loaders",
    on_overflow: Literal["error", "clip", "zero", "mean", "drop-segment"] = "error",
    overwrite: bool = False,
    no_sync: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    format: Literal["hdf5", "arrow"] | None = None,
    compression: Literal["none", "gzip", "zstd", "lz4"] = "none",
    progress: Progress = None,
) -> Report:
    """Builds a store from a table of clips and a file of features per clip.

    Args:
        labels: The table, with a column for the id, or for video and clip, and any of label,
            label_T, label_A, label_V, text, annotation, split, start and end.
        output: The store, `.h5` or `.arrow`. By default it lies next to the table.
        audio: Folder with a `.csv`, `.npy` or `.mat` file of audio features per clip, named after it,
            or with its sound, of which the 33 features of CH-SIMS are computed; or a `.csd` file with
            an entry per clip, or per video if the table has start and end of each clip.
        vision: The same for vision features, such as OpenFace 2 writes.
        text: The same for text features.
        column: Columns of the table that are not recognised, by field, such as
            `{"text": "text_translated"}`; a number counts from 1.
        text_encoding: Encoding of the table, if neither UTF-8 nor Excel's UTF-16.
        dataset: `mosi`, `mosei`, `sims`, `simsv2` or `own`, if it cannot be inferred.
        label_range: Range of the labels of your own dataset, such as `1,5`.
        label_neutral: Its label between negative and positive.
        label_bins: Limits between classes of its labels by the name of the division, such as
            `{"stars": "1.5,2.5,3.5,4.5"}`.
        label_scale: A TOML file that describes its labels instead.
        split: Split of all clips, if the table has none: by default `train`, or `test` without
            labels.
        length: Number of frames by modality: `"longest"`, `"mean+3sd"` or a number.
        cut: End at which longer clips are cut.
        pool: Consecutive frames whose mean becomes one, by modality, such as `{"vision": 5}`.
        failed_faces: How to handle frames in which OpenFace found no face.
        min_confidence: Count frames of a lower OpenFace confidence as having no face.
        features: Known set of features by modality, such as `{"audio": "covarep-74"}`, where files have
            no names.
        words: Folder with a file of word timings per clip (TextGrid, CTM, JSON of Whisper), or one `.ctm`
            or `.csd` file with those of all clips. Audio and vision then have one step per word, and the
            words are the texts if the table has none.
        tier: Tier of the TextGrids that has the words, if it is not called `words`.
        word_pooling: How the frames at the time of a word become one step; by default their mean weighted
            by the time of overlap; `none` keeps the frames.
        missing: What stands for a word for which a modality has no frame; by default zeros.
        values: Which values a mean is of; by default those that are finite.
        pauses: What becomes of pauses among the words; by default they are dropped.
        frame_rate: Frames per second by modality, for files without times.
        drop_incomplete: Leave out clips of which a modality has no usable file.
        drop_unlabelled: Drop clips without a label from splits that have labels.
        on_nonfinite: How to handle NaN and infinity, as for `convert`.
        on_overflow: How to handle finite values outside the range of `dtype`.
        overwrite: Replace an existing store.
        no_sync: Do not flush the store to disk: faster, but it can be lost if the machine crashes.
        dtype: Element type of the stored features.
        format: Store format, if `output` does not determine it.
        compression: `gzip` for HDF5, `zstd` or `lz4` for Arrow. Compressed stores cannot be mapped.
        progress: As for `convert`.

    Returns:
        The report on the store: `output`, `dataset`, `splits` with their shapes, `reconciled` with
        the clips and files that lack the other by `part`, a modality or `words`, `notes`, `findings`,
        `sources`, `digest` and `n_bytes`.

    Raises:
        Error: The table or a folder cannot be read, clips are incomplete, the store exists, or an
            option is wrong. Nothing is left behind.

    Example:
        >>> report = almt_data.build("label.csv", "own.h5", audio="covarep", vision="openface")
    """
    return _report(
        "build",
        [],
        progress,
        labels=labels,
        output=output,
        audio=audio,
        vision=vision,
        text=text,
        column=column,
        text_encoding=text_encoding,
        dataset=dataset,
        label_range=label_range,
        label_neutral=label_neutral,
        label_bins=label_bins,
        label_scale=label_scale,
        split=split,
        length=length,
        cut=cut,
        pool=pool,
        failed_faces=failed_faces,
        min_confidence=min_confidence,
        features=features,
        words=words,
        tier=tier,
        word_pooling=word_pooling,
        missing=missing,
        values=values,
        pauses=pauses,
        frame_rate=frame_rate,
        drop_incomplete=drop_incomplete,
        drop_unlabelled=drop_unlabelled,
        on_nonfinite=on_nonfinite,
        on_overflow=on_overflow,
        overwrite=overwrite,
        no_sync=no_sync,
        dtype=dtype,
        format=format,
        compression=compression,
    )


def copy(
    store: PathLike,
    to: PathLike,
    *,
    overwrite: bool = False,
    no_sync: bool = False,
    format: Literal["hdf5", "arrow"] | None = None,
    compression: Literal["none", "gzip", "zstd", "lz4"] = "none",
    progress: Progress = None,
) -> Report:
    """Copies a store to another format or compression; values, digest and manifest do not change.

    Args:
        store: The store.
        to: The new store, `.h5` or `.arrow`.
        overwrite: Replace an existing store.
        no_sync: Do not flush the store to disk.
        format: Store format, if `to` does not determine it.
        compression: `gzip` for HDF5, `zstd` or `lz4` for Arrow.
        progress: As for `convert`.

    Returns:
        The report: `output`, `digest` and `n_bytes` of the new store.

    Raises:
        Error: The store cannot be read, or the new one exists.

    Example:
        >>> almt_data.copy("mosi.h5", "mosi.arrow")
    """
    return _report(
        "copy",
        [store, to],
        progress,
        overwrite=overwrite,
        no_sync=no_sync,
        format=format,
        compression=compression,
    )


@overload
def validate(  # type: ignore[overload-overlap]
    stores: PathLike,
    *,
    labels: PathLike | None = None,
    column: Mapping[str, str | int] | None = None,
    text_encoding: str | None = None,
    manifest: PathLike | None = None,
    strict: bool = False,
    quick: bool = False,
    progress: Progress = None,
) -> Report: ...
@overload
def validate(
    stores: Sequence[PathLike] | None = None,
    *,
    labels: PathLike | None = None,
    column: Mapping[str, str | int] | None = None,
    text_encoding: str | None = None,
    manifest: PathLike | None = None,
    strict: bool = False,
    quick: bool = False,
    progress: Progress = None,
) -> list[Report]: ...
def validate(
    stores: PathLike | Sequence[PathLike] | None = None,
    *,
    labels: PathLike | None = None,
    column: Mapping[str, str | int] | None = None,
    text_encoding: str | None = None,
    manifest: PathLike | None = None,
    strict: bool = False,
    quick: bool = False,
    progress: Progress = None,
) -> Report | list[Report]:
    """Checks stores: digests, dimensions, counts, labels, ids, folds, leakage, duplicates, values.

    Args:
        stores: A store; several; or by default every store in the current folder.
        labels: Published labels to compare with, a text table with a column per field.
        column: Columns of that table that are not recognised, by field, such as
            `{"id": "clip_name"}`; a number counts from 1.
        text_encoding: Encoding of that table, if neither UTF-8 nor Excel's UTF-16.
        manifest: A split manifest of the store, whose splits to check instead of the store's own.
        strict: Treat warnings as errors.
        quick: Compare only the structure with the manifest, without reading data.
        progress: As for `convert`.

    Returns:
        The report on the store, as described by `almt_data.schema("validation")`; a list of reports
        for several stores. A store that is not valid is no exception: see `valid`, `findings` and,
        if it could not be read, `failure`.

    Raises:
        Error: The label table cannot be read, or an option is wrong.

    Example:
        >>> almt_data.validate("mosi.h5")["valid"]
        True
    """
    reports: list[Report] = _run(
        "validate",
        [] if stores is None else _paths(stores),
        progress,
        json=True,
        labels=labels,
        column=column,
        text_encoding=text_encoding,
        manifest=manifest,
        strict=strict,
        quick=quick,
    )
    return reports[0] if isinstance(stores, (str, os.PathLike)) else reports


def inspect(
    path: PathLike,
    *,
    entry: str | None = None,
    progress: Progress = None,
    **limits: Unpack[Limits],
) -> Report:
    """Lists the contents of a pickle, a store, a run or a checkpoint.

    A run and its checkpoint show their model and the schema of the data that it was trained on.

    Args:
        path: The pickle, packed or not, the store, the run folder, or the checkpoint.
        entry: Entry to read from a zip or tar archive.
        progress: As for `convert`.
        **limits: What the pickle may ask for, see `Limits`.

    Returns:
        The report: `path`, and a `tree` whose nodes have a `name`, a `detail` on one line, and
        `children`.

    Raises:
        Error: It is none of these, or it cannot be read.

    Example:
        >>> almt_data.inspect("mosi.h5")["tree"]["children"][0]["name"]
        'train'
    """
    return _report("inspect", [path], progress, entry=entry, **known("inspect", limits))


def stats(
    store: PathLike,
    *,
    svg: PathLike | None = None,
    overwrite: bool = False,
    progress: Progress = None,
) -> Report:
    """Describes the features of a store: moments, zeros, sample lengths in frames.

    Args:
        store: The store.
        svg: File to plot the length distributions to.
        overwrite: Replace an existing plot.
        progress: As for `convert`.

    Returns:
        The report, as described by `almt_data.schema("stats")`.

    Raises:
        Error: The store cannot be read, or the plot exists.

    Example:
        >>> almt_data.stats("mosi.h5")["blocks"][0]["mean"]
    """
    return _report("stats", [store], progress, json=True, svg=svg, overwrite=overwrite)


def labels(store: PathLike, *, output: PathLike | None = None, overwrite: bool = False) -> Report:
    """Counts the segments of each label class per split.

    Args:
        store: The store.
        output: File to write the counts to as well, `.csv`, `.parquet` or `.json`.
        overwrite: Replace an existing file.

    Returns:
        The report, as described by `almt_data.schema("labels")`. Excluded segments have class -1.

    Raises:
        Error: The store cannot be read or has no labels, or the file exists.

    Example:
        >>> pandas.DataFrame(almt_data.labels("mosi.h5")["classes"])
    """
    return _report("labels", [store], False, json=True, output=output, overwrite=overwrite)


def split(
    store: PathLike,
    output: PathLike,
    *,
    k_fold: int | None = None,
    ratio: Sequence[float] | None = None,
    from_: Literal["train"] | None = None,
    from_manifest: PathLike | None = None,
    by: Literal["video", "segment"] | None = None,
    seed: int | None = None,
    overwrite: bool = False,
) -> Report:
    """Draws new splits for a store, stratified by label, and writes them to a split manifest.

    One of `k_fold`, `ratio` and `from_manifest` is needed.

    Args:
        store: The store, which does not change.
        output: The split manifest, `.json`.
        k_fold: Number of folds, 3 or more: each part is the test split once, the next part is the
            validation split.
        ratio: Shares of train, valid and test; with `from_`, of train and valid.
        from_: `"train"` draws only a missing validation split, from the training split.
        from_manifest: Another split manifest whose folds to apply to a store with the same
            segments.
        by: Unit that is kept together, `"video"` by default.
        seed: Random seed, 1 by default.
        overwrite: Replace an existing file.

    Returns:
        The report: `output`, `store_digest`, `folds`, with `n_segments` and `mean_label` (None without labels)
        of each split, `n_left_out`, the segments of a validation split without labels in place of which one was
        drawn, and `findings` on videos in two splits.

    Raises:
        Error: The store cannot be split this way, or the file exists.

    Example:
        >>> almt_data.split("mosi.h5", "folds.json", k_fold=5)
    """
    shares = None if ratio is None else ",".join(repr(float(share)) for share in ratio)
    return _report(
        "split",
        [store],
        False,
        output=output,
        k_fold=k_fold,
        ratio=shares,
        from_=from_,
        from_manifest=from_manifest,
        by=by,
        seed=seed,
        overwrite=overwrite,
    )


@overload
def scan(  # type: ignore[overload-overlap]
    pickles: PathLike,
    *,
    entry: str | None = None,
    progress: Progress = None,
    **limits: Unpack[Limits],
) -> Report: ...
@overload
def scan(
    pickles: Sequence[PathLike],
    *,
    entry: str | None = None,
    progress: Progress = None,
    **limits: Unpack[Limits],
) -> list[Report]: ...
def scan(
    pickles: PathLike | Sequence[PathLike],
    *,
    entry: str | None = None,
    progress: Progress = None,
    **limits: Unpack[Limits],
) -> Report | list[Report]:
    """Reports what pickles would import and call, without loading them.

    Args:
        pickles: A pickle of any kind, packed or not; or several.
        entry: Entry to read from a zip or tar archive.
        progress: As for `convert`.
        **limits: What the pickle may ask for, see `Limits`.

    Returns:
        The report, as described by `almt_data.schema("scan")`; a list of reports for several
        pickles. An unsafe pickle is no exception: see `allowed` and `refusal`.

    Raises:
        Error: A file cannot be read.

    Example:
        >>> almt_data.scan("unaligned_50.pkl")["allowed"]
        True
    """
    reports: list[Report] = _run(
        "scan", _paths(pickles), progress, json=True, entry=entry, **known("scan", limits)
    )
    return reports[0] if isinstance(pickles, (str, os.PathLike)) else reports


def export(
    store: PathLike,
    to: Literal["mmsa-pickle", "parquet", "csv", "npz", "csd", "croissant"],
    *,
    output: PathLike | None = None,
    overwrite: bool = False,
    license: str | None = None,
    progress: Progress = None,
) -> Report:
    """Exports a store to a format that other programs read.

    Args:
        store: The store.
        to: The format.
        output: The file or folder; by default it lies next to the store.
        overwrite: Replace existing output.
        license: Licence to declare in Croissant metadata, as a URL or a short name.
        progress: As for `convert`.

    Returns:
        The report: `output`, `n_bytes`, and `notes` of what is not as in the store.

    Raises:
        Error: The store cannot be read, or the output exists.

    Example:
        >>> almt_data.export("mosi.h5", "parquet")
    """
    return _report(
        "export",
        [store],
        progress,
        to=to,
        output=output,
        overwrite=overwrite,
        license=license,
    )


def synth(
    output: PathLike | None = None,
    *,
    dataset: Literal["mosi", "mosei", "sims", "simsv2"] = "mosi",
    unaligned: bool = False,
    complementary: bool = False,
    samples: int = 192,
    seed: int = 1,
    overwrite: bool = False,
) -> Report:
    """Writes a synthetic pickle in the MMSA layout, learnable from all three modalities.

    Args:
        output: The pickle, `DATASET.pkl` in the current folder by default.
        dataset: The dataset to imitate.
        unaligned: Give each modality its own length; always so for CH-SIMS.
        complementary: Give each modality information that the others lack.
        samples: Training segments; validation gets a quarter of that, test a half.
        seed: Random seed.
        overwrite: Replace an existing file.

    Returns:
        The report: `output`, `dataset` and `n_bytes`.

    Raises:
        Error: The file exists, or an option is wrong.

    Example:
        >>> almt_data.synth("mosi.pkl", samples=64)
    """
    return _report(
        "synth",
        [],
        False,
        output=output,
        dataset=dataset,
        unaligned=unaligned,
        complementary=complementary,
        samples=samples,
        seed=seed,
        overwrite=overwrite,
    )


def schema(name: str | None = None) -> Any:
    """The JSON Schema of a report, or the specification of a dataset.

    Args:
        name: Such as `validation`, `scan` or `mosi`.

    Returns:
        A JSON Schema as a dict; TOML and Markdown as a text; without a name, the list of all, each
        with its `name` and `description`.

    Raises:
        Error: The name is unknown.

    Example:
        >>> almt_data.schema("validation")["title"]
        'Array_of_Report'
    """
    if name is None:
        return _run("schema", [], False)
    text = _run("schema", [name], False)["text"]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _report(command: str, paths: Sequence[PathLike], progress: Progress, **options: Any) -> Report:
    report: Report = _run(command, paths, progress, **options)
    return report


def _run(command: str, paths: Sequence[PathLike], progress: Progress, **options: Any) -> Any:
    """Runs a command, and returns its report."""
    flags = [flag for name, value in options.items() for flag in _flags(name, value)]
    arguments = [command, *flags, *map(_positional, paths)]
    with observer(progress) as report_progress:
        return json.loads(_native.call(arguments, report_progress))


def _flags(name: str, value: Any) -> list[str]:
    """An option as arguments; none for `None` and `False`."""
    flag = "--" + name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, Mapping):
        return [f"{flag}={key}={_text(entry)}" for key, entry in value.items()]
    # In one word, because the value may begin with a dash.
    return [f"{flag}={_text(value)}"]


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, (str, os.PathLike)) else str(value)


def _positional(path: PathLike) -> str:
    text = os.fsdecode(path)
    return f"./{text}" if text.startswith("-") else text


def _paths(paths: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else paths
