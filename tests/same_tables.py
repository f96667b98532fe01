"""Compares every CSV file of a folder with the Parquet file beside it."""

import pathlib
import sys

import pandas
import pyarrow
import pyarrow.parquet

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    table = pyarrow.parquet.read_table(path.with_suffix(".parquet"))
    # What a number is and what a text with digits a CSV file does not say.
    texts = {field.name: str for field in table.schema if not pyarrow.types.is_primitive(field.type)}
    of_csv = pandas.read_csv(path, dtype=texts)
    pandas.testing.assert_frame_equal(
        table.to_pandas(), of_csv, check_dtype=False, check_exact=False, rtol=1e-15
    )
    print(path.stem, len(of_csv))
