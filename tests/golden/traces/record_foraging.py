#!/usr/bin/env python3
"""Records episodes of the maintained Python package of level-based foraging as trace files (format: envs/trace.h).

    python3 -m venv /tmp/lbf && /tmp/lbf/bin/pip install lbforaging==2.0.0
    /tmp/lbf/bin/python tests/golden/traces/record_foraging.py tests/golden/traces

The configurations are those that no other recorded file covers: grids that are not square, hidden levels, levels per player and
per food, rewards that are not normalised. Touched from outside: the package's check of observation spaces is off, because its
constructor declares a wrong shape for grid observations and the check would refuse them.
"""
import gzip
import json
import sys

import gymnasium
import numpy as np

gymnasium.spaces.Box.contains = lambda self, value: True
box_init = gymnasium.spaces.Box.__init__
gymnasium.spaces.Box.__init__ = lambda self, low, high, shape=None, dtype=None: box_init(self, low, high, np.shape(low), np.float32)

from lbforaging.foraging.environment import Action, ForagingEnv  # noqa: E402  (after the patch)

BASE = dict(players=3, min_player_level=1, max_player_level=2, min_food_level=1, max_food_level=None, field_size=(8, 8),
            max_num_food=2, sight=8, max_episode_steps=30, force_coop=False)
CASES = {
    "lbf_6x11-3p-2f-s3": dict(field_size=(6, 11), sight=3),
    "lbf_13x5-5p-2f": dict(field_size=(13, 5), sight=13, players=5),
    "lbf_hidden-8x8-6p-2f-s2": dict(observe_agent_levels=False, sight=2, players=6),
    "lbf_grid-hidden-7x9-6p-2f-s3": dict(observe_agent_levels=False, sight=3, grid_observation=True, players=6, field_size=(7, 9)),
    "lbf_5x6-6p-2f-raw": dict(normalize_reward=False, penalty=0.37, players=6, field_size=(5, 6)),
    "lbf_lists-8x8-3p-2f": dict(min_player_level=[1, 2, 3], max_player_level=[1, 4, 7], min_food_level=[1, 5], max_food_level=[3, 9]),
    "lbf_9x9-9p-9f-s4": dict(sight=4, players=9, field_size=(9, 9), max_num_food=9),
}
EPISODES = 9


def steps_towards(player, target):
    row, col = player.position
    moves = [(1, target[0] < row), (2, target[0] > row), (3, target[1] < col), (4, target[1] > col)]
    return [action for action, helps in moves if helps]


def choose(env, player, policy, rng):
    """random: any action, available or not; greedy: walk to the nearest food and load; crowd: push to the centre."""
    food = np.argwhere(env.field)
    if policy == "random" or rng.random() < 0.15 or len(food) == 0:
        return int(rng.integers(6))
    if policy == "greedy" and Action.LOAD in env._valid_actions[player]:
        return Action.LOAD.value
    nearest = food[np.abs(food - player.position).sum(axis=1).argmin()]
    moves = steps_towards(player, nearest if policy == "greedy" else (env.rows // 2, env.cols // 2))
    return int(rng.choice(moves)) if moves else 0


def board(env):
    players = [[int(player.position[0]), int(player.position[1]), int(player.level)] for player in env.players]
    return {"players": players, "food": [[int(row), int(col), int(env.field[row, col])] for row, col in np.argwhere(env.field)]}


def seen(env, observations):
    return {"obs": [[int(number) for number in np.ravel(row)] for row in observations],
            "avail": [[int(action in env._valid_actions[player]) for action in Action] for player in env.players]}


def record(name, config, out):
    env = ForagingEnv(**config)
    rng = np.random.default_rng(1)
    env.seed(1)
    env.np_random = np.random.default_rng(2)
    header = None
    for episode in range(EPISODES):
        policy = ("random", "greedy", "crowd")[episode % 3]
        observations, _ = env.reset()
        if header is None:
            header = {"type": "header", "format": 1, "env": "lbf", "variant": "v3", "name": name, "cfg": config,
                      "n_agents": len(env.players), "n_actions": 6, "obs_len": int(np.size(observations[0]))}
            out.append(header)
        out.append({"type": "reset", "ep": episode, "policy": policy, **board(env), "spawned": int(env._food_spawned),
                    **seen(env, observations)})
        done, step = False, 0
        while not done:
            step += 1
            actions = [choose(env, player, policy, rng) for player in env.players]
            observations, rewards, done, _, _ = env.step(actions)
            out.append({"type": "step", "ep": episode, "t": step, "act": actions, **board(env), **seen(env, observations),
                        "rew": [float(reward) for reward in rewards], "done": int(done)})


def main():
    for name, changes in CASES.items():
        lines = []
        record(name, {**BASE, **changes}, lines)
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        with open(f"{sys.argv[1]}/{name}.jsonl.gz", "wb") as file:
            file.write(gzip.compress(text.encode(), mtime=0))


main()
