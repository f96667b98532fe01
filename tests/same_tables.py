"""Compares every CSV file of a folder with the Parquet file beside it."""

import pathlib
import sys

import pandas
import pyarrow.parquet

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    of_parquet = pyarrow.parquet.read_table(path.with_suffix(".parquet")).to_pandas()
    of_csv = pandas.read_csv(path, float_precision="round_trip")
    pandas.testing.assert_frame_equal(
        of_parquet, of_csv, check_dtype=False, check_exact=False, rtol=1e-15
    )
    print(path.stem, len(of_csv))
