#!/usr/bin/env python3
"""Times MADDPG and MIR3 training on rendezvous with 4 robots here against the authors' released code, in turn, in one run.

    python tests/bench/against_mir3.py CHECKOUT --python PY [--methods maddpg,mir3] [--threads 1x1,2x1,1x2] [--rounds 3]
    python tests/bench/against_mir3.py CHECKOUT --python PY --learn 100000 [--seed 1]

CHECKOUT is the public repository DIG-Beihang/MIR3, unchanged; its main.py runs in a temporary folder beside copies of its settings, in which
nothing is changed but the device, threads, the number of robots, the budget and the intervals of logs, checkpoints and evaluations. PY is a
Python with torch, gym 0.21, scipy, PyYAML, easydict and absl-py. Modules that only log, draw or load other tasks are replaced by empty ones;
so is the checkout's ROMAX, for which layers are missing there.

Both sides: its settings for rendezvous (recipes maddpg-box and mir3-maddpg-box: nets of 256 units, 8 episodes of 200 steps and one update per episode, one
environment), 32-bit floats, no evaluation, start-up and the episodes before the first update left out. Our critic sees the agent's index a
second time (38 numbers in, not 34). The released code gets tuned BLAS kernels and each of --threads (torch threads x BLAS threads), of which
the best median counts; ours gets the machine, as it starts. Before every measurement the script waits up to --patience seconds for an idle
second and notes how busy the machine was.

With --learn nothing is timed side by side: the released code learns for that many steps, and its own evaluations (32 episodes without noise)
are kept with the second at which they were taken. Prints one JSON object.
"""
import argparse
import collections.abc
import json
import os
import re
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Nothing, environment, old_numpy_names, stand_in, update_ends, wait_for_idle

ROBOTS, HORIZON, BATCH = 4, 200, 8
WARM_UP = BATCH + 2  # episodes: updates begin when the batch is there
NEVER = 10**9
METHODS = {  # settings of the released code; recipe and keys here
    "maddpg": ("maddpg_robot", ["maddpg-box"]),
    "mir3": ("mir3_robot", ["mir3-maddpg-box", "mi.lambda=0.01"]),
}


def child(checkout, settings, seed, is_timed):
    """With the checkout's Python, in a folder with its settings: main.py, with a clock at the start of every episode if it is timed."""
    collections.Mapping = collections.abc.Mapping
    old_numpy_names()
    import torch
    stand_in(nni={"report_intermediate_result": lambda _: None, "report_final_result": lambda _: None},
             setproctitle={"setproctitle": lambda _: None}, matplotlib={}, matplotlib__pyplot={},
             torch__utils__tensorboard={"SummaryWriter": Nothing}, agents__romax_agents={"ROMAXAgents": None},
             envs__sc2__smac_wrapper={"SMACWrapper": None}, envs__mujoco__mujoco_wrapper={"MujocoWrapper": None})
    penalty = ["--param_club", "0.01"] if settings == "mir3_robot" else []  # its file's value, which the command line would set to 0
    sys.argv = ["main.py", "--env", "robot", "--alg", settings, "--nr_agents", str(ROBOTS), "--gpu", "cpu", "--seed", seed] + penalty
    starts = []
    if is_timed:
        from runners.offpolicy.base_runner import BaseRunner
        from runners.offpolicy.mir3_runner import MIR3Runner

        def clocked(reset):
            def timed(self):
                starts.append(time.perf_counter())
                reset(self)
            return timed

        for runner in (BaseRunner, MIR3Runner):
            runner.reset = clocked(runner.reset)
    runpy.run_path(os.path.join(checkout, "main.py"), run_name="__main__")
    rates = [HORIZON / (b - a) for a, b in zip(starts[WARM_UP:], starts[WARM_UP + 1:])]
    print("RATES", torch.__version__, *rates, flush=True)


def write_settings(python, checkout, folder, settings, changes):
    """Copies the checkout's settings into folder/configs; changes go into its default settings and, where they are, the method's."""
    shutil.copytree(os.path.join(checkout, "configs"), os.path.join(folder, "configs"))
    program = ("import json, sys, yaml\nchanges = json.loads(sys.argv[1])\n"
               "for path, takes_all in ((sys.argv[2], True), (sys.argv[3], False)):\n"
               "    settings = yaml.safe_load(open(path))\n"
               "    settings.update({k: v for k, v in changes.items() if takes_all or k in settings})\n"
               "    yaml.safe_dump(settings, open(path, 'w'))\n")
    subprocess.run([python, "-c", program, json.dumps(changes), os.path.join(folder, "configs/default.yaml"),
                    os.path.join(folder, "configs/algs", settings + ".yaml")], check=True)


def command(python, checkout, settings, seed, is_timed):
    return [python, "-u", "-W", "ignore", os.path.abspath(__file__), "--child", checkout, settings, str(seed), str(int(is_timed))]


def official(checkout, python, method, threads, episodes):
    torch_threads, blas_threads = (int(x) for x in threads.split("x"))
    settings = METHODS[method][0]
    with tempfile.TemporaryDirectory() as folder:
        write_settings(python, checkout, folder, settings,
                       {"training_threads": torch_threads, "total_timesteps": HORIZON * episodes, "eval_episodes": 1,
                        "eval_interval": NEVER, "log_interval": NEVER, "save_interval": NEVER})
        out = subprocess.run(command(python, checkout, settings, 1, True), cwd=folder,
                             env=environment(checkout, torch_threads, blas_threads), capture_output=True, text=True, timeout=900)
    found = re.search(r"RATES (\S+) (.*)", out.stdout)
    if not found:
        sys.exit(f"{python} could not run the released code:\n{out.stderr[-2000:]}")
    return f"torch {found[1]}, {threads}", [float(x) for x in found[2].split()]


def ours(program, method, episodes):
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run([os.path.abspath(program), "train", *METHODS[method][1], "env.name=rendezvous", f"env.scenario=mir3-{ROBOTS}",
                              f"rollout.steps={HORIZON}", f"maddpg.batch={BATCH}", f"run.steps={HORIZON * episodes}", "run.name=bench",
                              "eval.threats=clean", "eval.episodes=1", "--quiet"], cwd=folder, capture_output=True, text=True, timeout=900)
        if out.returncode:
            sys.exit(f"{program} could not train {METHODS[method][1][0]}:\n{out.stderr[-2000:]}")
        ends = update_ends(folder)
    return [HORIZON / (b - a) for a, b in zip(ends[WARM_UP:], ends[WARM_UP + 1:])]


def race(options, checkout):
    rates, notes = {}, []
    for _ in range(options.rounds):
        for method in options.methods.split(","):
            for threads in [None] + options.threads.split(","):
                busy = wait_for_idle(options.patience)
                side, values = (("testudo", ours(options.program, method, 5 * options.episodes)) if threads is None else
                                official(checkout, options.python, method, threads, options.episodes))
                rates.setdefault(method, {}).setdefault(side, []).extend(values)
                notes.append({"method": method, "side": side, "median": round(statistics.median(values)), "busy_before": busy,
                              "load_after": os.getloadavg()[0]})
                print(json.dumps(notes[-1]), file=sys.stderr, flush=True)
    result = {"cores": os.cpu_count(), "robots": ROBOTS, "runs": notes, "methods": {}}
    for method, sides in rates.items():
        medians = {side: round(statistics.median(values)) for side, values in sides.items()}
        best = max(value for side, value in medians.items() if side != "testudo")
        result["methods"][method] = {"steps_per_second": medians, "ratio_to_best": round(medians["testudo"] / best, 2)}
    return result


def learn(options, checkout):
    method, begin, evaluations = options.methods.split(",")[0], time.monotonic(), []
    settings = METHODS[method][0]
    with tempfile.TemporaryDirectory() as folder:
        write_settings(options.python, checkout, folder, settings,
                       {"training_threads": 1, "total_timesteps": options.learn, "eval_interval": max(HORIZON, options.learn // 4),
                        "save_interval": NEVER})
        with open(os.path.join(folder, "errors"), "w+") as errors, subprocess.Popen(
                command(options.python, checkout, settings, options.seed, False), cwd=folder, env=environment(checkout),
                stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            for line in process.stdout:
                if found := re.match(r"Eval for (\d+) episodes at timestep (\d+)", line):
                    evaluations.append({"steps": int(found[2]), "episodes": int(found[1])})
                if found := re.match(r"Mean of return: (\S+)", line):
                    evaluations[-1].update({"return": float(found[1]), "wall_seconds": round(time.monotonic() - begin, 1)})
                    print(json.dumps(evaluations[-1]), file=sys.stderr, flush=True)
            if process.wait():
                errors.seek(0)
                sys.exit(f"{options.python} could not run the released code:\n{errors.read()[-2000:]}")
    return {"settings": settings, "robots": ROBOTS, "seed": options.seed, "evaluations": evaluations, "load_after": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout")
    parser.add_argument("--python", required=True)
    parser.add_argument("--program", default="bin/testudo")
    parser.add_argument("--methods", default="maddpg,mir3")
    parser.add_argument("--threads", default="1x1,2x1,1x2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=30, help="of the released code for each measurement; ours plays 5 times as many")
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--learn", type=int, metavar="STEPS")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checkout = os.path.abspath(options.checkout)
    if unknown := set(options.methods.split(",")) - set(METHODS):
        parser.error(f"--methods: no {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    print(json.dumps(learn(options, checkout) if options.learn else race(options, checkout), indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5] == "1")
    else:
        main()
