"""What people do with a compressed pickle: `zcat FILE | python -c pickle.load`, as one process to measure.

    packed.py PROGRAM FILE
"""

import pickle
import subprocess
import sys

with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE) as packed:
    pickle.load(packed.stdout)
