#!/usr/bin/env python3
"""Chooses a setting for every method from the records of tests/bench/search.sh, by one rule for all.

    search_choose.py FOLDER TASK CLEAN

Of a method's settings whose clean return, averaged over the search seeds, is at least CLEAN: the one with the highest attacked
return (lowest victim under the greedy and the learned adversary, averaged over seeds). None that clean: the one with the highest
clean return. Prints a table of all settings, the chosen ones marked with a star.
"""
import collections
import json
import pathlib
import sys


def attacked(rows):
    victims = [row["mean"] for row in rows if row["victim"] >= 0 and row["threat"] in ("greedy", "learned")]
    return min(victims)


def clean(rows):
    return next(row["mean"] for row in rows if row["threat"] == "clean")


def main(folder, task, bar):
    table = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sorted(pathlib.Path(folder).glob(f"{task}-*.json")):
        record = json.loads(path.read_text())[0]
        rows = record["attack"]["rows"]
        table[record["method"]][record["recipe"]["run.name"]].append((clean(rows), attacked(rows)))
    for method, settings in sorted(table.items()):
        means = {name: [sum(column) / len(column) for column in zip(*values)] for name, values in settings.items()}
        good = {name: mean for name, mean in means.items() if mean[0] >= bar}
        chosen = max(good, key=lambda name: good[name][1]) if good else max(means, key=lambda name: means[name][0])
        for name, mean in sorted(means.items()):
            mark = "*" if name == chosen else " "
            print(f"{mark} {method:16} {name:16} clean {mean[0]:7.2f}  attacked {mean[1]:7.2f}  seeds {len(settings[name])}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
