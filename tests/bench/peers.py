"""What the scripts share that measure authors' released code beside ours: stand-ins for modules that only log, tuned numerics, idle waits."""
import csv
import glob
import os
import sys
import time
import types


class Nothing:
    """Takes any arguments and any calls."""
    def __init__(self, *_, **__):
        pass

    def __getattr__(self, _):
        return lambda *_, **__: None


def stand_in(**modules):
    """Puts modules made of the given attributes where imports look first; a double underscore in a name is a dot."""
    for name, content in modules.items():
        name = name.replace("__", ".")
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(content)


def old_numpy_names():
    import numpy
    for name, kind in (("bool", bool), ("float", float), ("int", int), ("object", object)):
        if name not in numpy.__dict__:
            setattr(numpy, name, kind)


def environment(checkout, torch_threads=1, blas_threads=1):
    """Of a child that runs the released code: its packages, the BLAS kernels of this processor, nothing written into the checkout."""
    threads = {"OMP_NUM_THREADS": str(torch_threads), "MKL_NUM_THREADS": str(blas_threads), "OPENBLAS_NUM_THREADS": str(blas_threads)}
    path = os.pathsep.join(filter(None, [checkout, os.environ.get("PYTHONPATH")]))
    return dict(os.environ, OPENBLAS_CORETYPE="SkylakeX", PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1", **threads)


def update_ends(folder):
    """Seconds at which the updates of the one run in a folder ended."""
    with open(glob.glob(folder + "/runs/**/progress.csv", recursive=True)[0]) as file:
        return [float(row["wall_seconds"]) for row in csv.DictReader(file)]


def busy_share():
    def read():
        with open("/proc/stat") as file:
            return [int(x) for x in file.readline().split()[1:]]
    before = read()
    time.sleep(1)
    spent = [b - a for a, b in zip(before, read())]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent))


def wait_for_idle(patience):
    busy, end = busy_share(), time.monotonic() + patience
    while busy > 0.15 and time.monotonic() < end:
        busy = busy_share()
    return round(busy, 2)
