"""A fork beside a thread that imports cloudpickle."""

from pathlib import Path

from tests.children import run_python

SLOW = """\
import time

time.sleep(0.5)


class Pickler: ...
"""

FORKS = """\
import os, signal, sys, threading, time, warnings
from farside._payload import pickling

warnings.simplefilter("ignore")  # a thread runs
thread = threading.Thread(target=pickling.cloud_pickler)
thread.start()
while "cloudpickle" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if not child:
    signal.alarm(10)
    os._exit(0 if pickling.has_cloudpickle() else 1)
thread.join()
print(os.waitpid(child, 0)[1])
"""


def test_a_child_can_import_cloudpickle_that_a_thread_was_importing(tmp_path: Path) -> None:
    (tmp_path / "cloudpickle.py").write_text(SLOW)
    assert run_python(FORKS, path=tmp_path, measured=False) == "0\n"
