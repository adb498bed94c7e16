#!/usr/bin/env python3
"""Times EIR-MAPPO training here against the authors' released code, in turn, in one run.

    python tests/bench/against_official.py CHECKOUT --python PY [--python PY2 ...] [--rounds 3] [--tasks toy,lbf]

CHECKOUT is the public repository DIG-Beihang/EIR-MAPPO, unchanged. Each PY is a Python with torch, gym 0.21, PyYAML and absl-py;
modules that only log or debug (tensorboardX, setproctitle, ipdb) are replaced by empty ones below. Conditions: 20 environments x 200
steps, the released defaults (nets, 5 epochs each, interval 1), no evaluation, start-up left out. The released code gets one torch thread
and tuned BLAS kernels, which is its fastest setting; ours gets the machine, as it starts. Before every measurement the script waits up to
--patience seconds for an idle second and notes how busy the machine was. Prints one JSON object.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types

from peers import Nothing, environment, old_numpy_names, stand_in, update_ends, wait_for_idle

STEPS = 20 * 200
TASKS = {"toy": ("toy", ["env.name=matrix"]), "lbf": ("lbforaging", ["env.name=foraging", "env.scenario=12x12-4p-3f-c"])}


def child(task, updates):
    """Inside CHECKOUT, with its Python: the released trainer, with a clock at the end of every update."""
    stand_in(ipdb={}, setproctitle={"setproctitle": lambda _: None}, tensorboardX={"SummaryWriter": Nothing})
    sys.argv = sys.argv[:1]
    old_numpy_names()
    import torch
    from eir_mappo.runner import RUNNER_REGISTRY
    from eir_mappo.util.args_util import get_args
    algorithm, task_config = get_args("mappo_advt_belief", task)
    algorithm["device"].update(cuda=False, torch_threads=1)
    algorithm["train"].update(num_env_steps=STEPS * updates, log_interval=10**9, eval_interval=10**9)
    algorithm["eval"]["use_eval"] = False
    arguments = types.SimpleNamespace(algo="mappo_advt_belief", env=task, exp_name="bench")
    runner = RUNNER_REGISTRY["mappo_advt_belief"](arguments, algorithm, task_config)
    ends, after = [], runner.after_update

    def timed():
        after()
        ends.append(time.perf_counter())

    runner.after_update = timed
    runner.run()
    print("RATES", torch.__version__, *[STEPS / (b - a) for a, b in zip(ends, ends[1:])], flush=True)
    runner.close()


def official(checkout, python, task, updates):
    out = subprocess.run([python, "-W", "ignore", os.path.abspath(__file__), "--child", TASKS[task][0], str(updates)], cwd=checkout,
                         env=environment(checkout), capture_output=True, text=True, timeout=900)
    found = re.search(r"RATES (\S+) (.*)", out.stdout)
    if not found:
        sys.exit(f"{python} could not run the released code:\n{out.stderr[-2000:]}")
    return "torch " + found[1], [float(x) for x in found[2].split()]


def ours(program, task, updates):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.abspath(program), "train", "eir-mappo", *TASKS[task][1], "rollout.lanes=20", "rollout.steps=200",
                        "eir.interval=1", f"run.steps={STEPS * updates}", "run.name=bench", "eval.threats=clean", "eval.episodes=1",
                        "--quiet"], cwd=folder, check=True, capture_output=True, timeout=900)
        ends = update_ends(folder)
    return [STEPS / (b - a) for a, b in zip(ends[1:], ends[2:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout")
    parser.add_argument("--python", action="append", required=True)
    parser.add_argument("--program", default="bin/testudo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", default="toy,lbf")
    parser.add_argument("--patience", type=float, default=60)
    options = parser.parse_args()
    rates, notes = {}, []
    for _ in range(options.rounds):
        for task in options.tasks.split(","):
            for python in [None] + options.python:
                busy = wait_for_idle(options.patience)
                side, values = ("testudo", ours(options.program, task, 10)) if python is None else official(options.checkout, python, task, 4)
                rates.setdefault(task, {}).setdefault(side, []).extend(values)
                notes.append({"task": task, "side": side, "median": round(statistics.median(values)), "busy_before": busy,
                              "load_after": os.getloadavg()[0]})
                print(json.dumps(notes[-1]), file=sys.stderr, flush=True)
    result = {"cores": os.cpu_count(), "runs": notes, "tasks": {}}
    for task, sides in rates.items():
        medians = {side: round(statistics.median(values)) for side, values in sides.items()}
        best = max(value for side, value in medians.items() if side != "testudo")
        result["tasks"][task] = {"steps_per_second": medians, "ratio_to_best": round(medians["testudo"] / best, 2)}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()
