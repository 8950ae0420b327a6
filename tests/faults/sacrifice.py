"""Performs a row of the matrix in a process of its own, which the row may end.

    python -m tests.faults.sacrifice STAGE WAY KIND FOLDER

What was seen lies in the file ``seen`` of the folder, if the process has lived to see it.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

if __name__ == "__main__":
    from tests.faults.matrix import Row
    from tests.faults.staging import Stager
    from tests.kinds import KINDS

    row = Row(*sys.argv[1:4])
    folder = Path(sys.argv[4])
    [kind] = [each for each in KINDS if each.name == row.kind]
    seen = Stager(row, kind, folder).perform()
    (folder / "seen").write_bytes(pickle.dumps(seen))
