"""Writes the table `plain.csv` of a folder in the ways in which people write tables with pandas; prints the name of each
and the options that it needs."""

import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
table = pd.read_csv(folder / "plain.csv")


def keep(name, *options):
    print(name, *options)


table.to_csv(folder / "index.csv")
keep("index.csv")
table.rename(columns={"label": "Label", "id": "File Name"}).to_csv(folder / "renamed.csv", index=False)
keep("renamed.csv")
table.to_csv(folder / "excel.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
keep("excel.csv")
table.to_csv(folder / "unicode.txt", index=False, sep="\t", encoding="utf-16")
keep("unicode.txt")
table.to_csv(folder / "bare.csv", index=False, header=False)
keep("bare.csv", "--column", "id=1", "--column", "label=2", "--column", "text=3")
table.to_csv(folder / "numbers.csv", index=False, header=["0", "1", "2"])
keep("numbers.csv", "--column", "id=0", "--column", "label=1", "--column", "text=2")
parts = table["id"].str.rsplit("_", n=1, expand=True)
parts = pd.DataFrame({"video": parts[0], "clip": parts[1].astype(float), "score": table["label"], "transcript": table["text"]})
parts.to_csv(folder / "parts.csv", index=False)
keep("parts.csv")
table.to_csv(folder / "latin.csv", index=False, encoding="utf-16-be")
keep("latin.csv", "--text-encoding", "utf-16be")
