#!/usr/bin/env python3
"""Times the maintained Python package of level-based foraging, for comparison with bench_envs.

    python3 -m venv /tmp/lbf && /tmp/lbf/bin/pip install lbforaging
    /tmp/lbf/bin/python tests/bench/foraging_upstream.py [seconds]

As in bench_envs: random available actions, observations and resets included, one process. One JSON line per scenario, under the
names that bench_envs prints; the best of three runs, since the machine may be shared.
"""
import json
import random
import sys
import time

from lbforaging.foraging import ForagingEnv

# scenario: players, side, foods, sight, highest player level, coop
SCENARIOS = {
    "8x8-2p-1f": (2, 8, 1, 8, 2, False),
    "12x12-4p-3f": (4, 12, 3, 12, 2, False),
    "20x20-10p-6f-s3": (10, 20, 6, 3, 2, False),
}
RUNS = 3


def make(players, side, foods, sight, level, coop):
    return ForagingEnv(
        players=players, min_player_level=1, max_player_level=level, min_food_level=1, max_food_level=None,
        field_size=(side, side), max_num_food=foods, sight=sight, max_episode_steps=50, force_coop=coop)


def steps_per_second(env, seconds):
    env.reset(seed=1)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        actions = [random.choice(env._valid_actions[player]).value for player in env.players]
        _, _, done, truncated, _ = env.step(actions)
        steps += 1
        if done or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    random.seed(1)
    for name, sizes in SCENARIOS.items():
        rate = max(steps_per_second(make(*sizes), seconds / RUNS) for _ in range(RUNS))
        print(json.dumps({"env": "foraging", "scenario": name, "set": "env.rules=v3", "upstream": True, "steps_per_second": round(rate)}))


main()
