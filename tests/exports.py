"""Compares what other programs read of an export with what h5py reads of the store.

    exports.py parquet|csv|npz|labels STORE.h5 EXPORT
    exports.py table TABLE.csv TABLE.parquet

Every array, text, label and bin must be there under its name, with its type and its bits. Prints how
many columns were compared, or lines of counts; of a table that is there twice, the types of its
columns.
"""

import csv
import json
import pathlib
import sys

import h5py
import numpy as np

SPLITS = ("train", "valid", "test")


def of_store(path):
    """Arrays by `SPLIT/COLUMN`, texts as lists, float16 as float32; and their shapes."""
    columns = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            if h5py.check_string_dtype(item.dtype):
                columns[name] = list(item.asstr()[()]) if item.shape[0] else []
            else:
                values = item[()]
                columns[name] = values.astype("<f4") if values.dtype == np.float16 else values

    with h5py.File(path) as store:
        store.visititems(visit)
    return columns


def check(name, found, expected):
    if isinstance(expected, list):
        assert [str(text) for text in found] == expected, name
        return
    found = np.asarray(found)
    assert found.dtype == expected.dtype, (name, found.dtype, expected.dtype)
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    assert np.ascontiguousarray(found).tobytes() == expected.tobytes(), name


def compare(found, expected):
    assert sorted(found) == sorted(expected), sorted(set(found) ^ set(expected))
    for name in expected:
        check(name, found[name], expected[name])
    return len(expected)


def by_pyarrow(folder, expected):
    import pyarrow as pa
    import pyarrow.dataset
    import pyarrow.parquet

    columns = {}
    whole = pa.dataset.dataset(folder, partitioning="hive")
    for path in pathlib.Path(folder).glob("split=*/*.parquet"):
        split = path.parent.name.removeprefix("split=")
        table = pa.parquet.read_table(path, partitioning=None)
        table.validate(full=True)
        assert whole.count_rows(filter=pa.dataset.field("split") == split) == table.num_rows
        metadata = pa.parquet.read_metadata(path).metadata
        shapes = json.loads(metadata[b"almt_data.shapes"])
        assert len(metadata[b"almt_data.digest"]) == 64
        for name in table.column_names:
            column = table[name].combine_chunks()
            assert column.null_count == 0, name
            if pa.types.is_string(column.type) or name in ("id", "raw_text", "annotations"):
                columns[f"{split}/{name}"] = column.to_pylist()
            elif name in shapes:
                flat = column.flatten().to_numpy(zero_copy_only=False)
                columns[f"{split}/{name}"] = flat.reshape([len(column), *shapes[name]])
            else:
                columns[f"{split}/{name}"] = column.to_numpy(zero_copy_only=False)
    return compare(columns, expected)


def by_duckdb(folder, expected):
    import duckdb

    duckdb.sql("SET preserve_insertion_order = true")
    columns = {}
    for split in sorted({name.split("/")[0] for name in expected}):
        query = duckdb.sql(
            f"SELECT * FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true,"
            f" union_by_name = true) WHERE split = '{split}'"
        )
        for name, values in query.fetchnumpy().items():
            path = f"{split}/{name}"
            if name == "split" or (path not in expected and name != "split"):
                continue
            reference = expected[path]
            assert not np.ma.is_masked(values), path
            values = np.ma.getdata(values)
            if values.dtype == object and not isinstance(reference, list):
                flat = [np.ma.getdata(row) for row in values]
                values = np.stack(flat).astype(reference.dtype, casting="equiv") if flat else []
                values = np.reshape(values, reference.shape).astype(reference.dtype)
            columns[path] = values
    return compare(columns, expected)


def parquet(store, folder):
    expected = of_store(store)
    return [by_pyarrow(folder, expected), by_duckdb(folder, expected)]


def from_fields(name, fields, expected):
    if isinstance(expected, list):
        return fields
    return np.array([np.float64(field) for field in fields], "f8").astype(expected.dtype)


def csv_columns(rows, expected):
    header = rows[0]
    assert header[:2] == ["id", "split"], header
    columns = {}
    for split in SPLITS:
        here = [row for row in rows[1:] if row[1] == split]
        for idx, name in enumerate(header):
            path = f"{split}/{name}"
            if path in expected:
                fields = [row[idx] for row in here]
                columns[path] = from_fields(name, fields, expected[path])
            else:
                assert name == "split" or all(row[idx] in ("", None) for row in here), path
    return columns


def csv_file(store, path):
    import duckdb

    expected = {
        name: values
        for name, values in of_store(store).items()
        if isinstance(values, list) or values.ndim == 1
    }
    with open(path, newline="", encoding="utf-8") as file:
        by_python = csv_columns(list(csv.reader(file)), expected)
    table = duckdb.sql(
        f"SELECT * FROM read_csv('{path}', header = true, all_varchar = true, delim = ',',"
        " quote = '\"', escape = '\"', allow_quoted_nulls = false)"
    )
    rows = [table.columns] + [list(row) for row in table.fetchall()]
    return [compare(by_python, expected), compare(csv_columns(rows, expected), expected)]


def npz(store, path):
    expected = of_store(store)
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            if isinstance(expected[name], list):
                assert archive[name].dtype.kind == "U", name
        return [compare({name: archive[name] for name in archive.files}, expected)]


def recount(store):
    """Counts by split, division and class, from the labels themselves."""
    counts = {}
    for name, values in of_store(store).items():
        split, _, bins = name.partition("/bins/")
        if bins:
            for value, count in zip(*np.unique(values, return_counts=True)):
                counts[split, bins, int(value)] = int(count)
    for name, labels in of_store(store).items():
        split, _, column = name.partition("/")
        for limit, bins in [(1, "acc_3"), (2, "acc_5"), (3, "acc_7")]:
            # CMU's classes can be counted from the labels in one line.
            if column == "regression_labels" and (split, "acc_7", 0) in counts:
                classes = np.round(np.clip(labels, -limit, limit)) + limit
                for value, count in zip(*np.unique(classes, return_counts=True)):
                    assert counts[split, bins, int(value)] == count, (split, bins, value)
    return counts


def labels(store, path):
    import duckdb
    import pyarrow.parquet

    if path.endswith(".json"):
        rows = json.load(open(path, encoding="utf-8"))["classes"]
    elif path.endswith(".csv"):
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pyarrow.parquet.read_table(path).to_pylist()
        query = duckdb.sql(f"SELECT * FROM '{path}'")
        assert [dict(zip(query.columns, row)) for row in query.fetchall()] == rows
    found = {(r["split"], r["bins"], int(r["class"])): int(r["count"]) for r in rows}
    assert len(found) == len(rows)
    expected = recount(store)
    assert {key: count for key, count in found.items() if count} == expected
    sizes = {}
    for (split, bins, _), count in found.items():
        sizes[split, bins] = sizes.get((split, bins), 0) + count
    for row in rows:
        size = sizes[row["split"], row["bins"]]
        assert float(row["share"]) == (int(row["count"]) / size if size else 0.0), row
    return [len(rows)]


def table(csv_path, path):
    import duckdb
    import pyarrow.parquet

    with open(csv_path, newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    found = pyarrow.parquet.read_table(path)
    query = duckdb.sql(f"SELECT * FROM '{path}'")
    rows = found.to_pylist()
    assert [dict(zip(query.columns, row)) for row in query.fetchall()] == rows
    assert found.column_names == list(expected[0]) and len(rows) == len(expected)
    types = {field.name: str(field.type) for field in found.schema}
    numbers = {"float": np.float32, "double": np.float64, "int8": int, "uint64": int}
    for row, fields in zip(rows, expected):
        for name, field in fields.items():
            as_type = numbers.get(types[name], str)
            assert row[name] == (as_type(field) if field else None), (name, row, field)
    return types


def main(kind, store, export):
    kinds = {"parquet": parquet, "csv": csv_file, "npz": npz, "labels": labels, "table": table}
    print(json.dumps(kinds[kind](store, export)))


main(*sys.argv[1:])
