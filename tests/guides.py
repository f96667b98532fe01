"""Runs the Python snippets of a guide, one after the other as its reader would.

    guides.py GUIDE.md FOLDER

FOLDER holds what the guide speaks of. A snippet that needs this package, pandas or PyTorch is left out
where that is not installed. Prints how many were run.
"""

import contextlib
import importlib.util
import os
import pathlib
import re
import sys

guide, folder = (pathlib.Path(arg).resolve() for arg in sys.argv[1:])
snippets = re.findall(r"^```python\n(.*?)^```", guide.read_text(), re.MULTILINE | re.DOTALL)
packages = {"almt_data": "almt_data", "pd": "pandas", "torch": "torch"}
absent = [word for word, name in packages.items() if importlib.util.find_spec(name) is None]
os.chdir(folder)
names, n_run = {}, 0
for idx, snippet in enumerate(snippets, 1):
    # A word in quotes is a key or a path.
    if not any(re.search(rf"(?<![\"'])\b{word}\b", snippet) for word in absent):
        # Its own output does not belong to this script's.
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(snippet, f"{guide.name}, snippet {idx}", "exec"), names)
        n_run += 1
print(n_run)
