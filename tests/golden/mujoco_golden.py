#!/usr/bin/env python3
"""Steps of Gymnasium's single robots, for tests/envs/test_mujoco.c: our models and rewards against the published ones.

    python3 -m venv /tmp/gymnasium && /tmp/gymnasium/bin/pip install gymnasium==0.29.1 mujoco==2.3.7 numpy==1.26.4
    /tmp/gymnasium/bin/python tests/golden/mujoco_golden.py > tests/golden/mujoco.json

Each episode starts from a state near the initial pose and plays random actions; a row is what one step led to. The versions 4 of the
environments compute what their versions 2 did; the ant is asked for its contact forces, as version 2 had them.
"""
import json

import gymnasium
import numpy as np

STEPS, EPISODES = 30, 3
ROBOTS = {
    "HalfCheetah-6x1": ("HalfCheetah-v4", {}),
    "Ant-4x2": ("Ant-v4", {"use_contact_forces": True}),
    "Hopper-3x1": ("Hopper-v4", {}),
    "Walker2d-2x3": ("Walker2d-v4", {}),
    "manyagent_swimmer-2x1": ("Swimmer-v4", {}),
}


def numbers(values, digits):
    return [round(float(value), digits) for value in values]


def episode(env, rng, amplitude):
    env.reset()
    qpos = env.init_qpos + rng.uniform(-0.01, 0.01, env.model.nq)
    qvel = env.init_qvel + rng.uniform(-0.01, 0.01, env.model.nv)
    env.set_state(qpos, qvel)
    start, steps, done = {"qpos": list(map(float, qpos)), "qvel": list(map(float, qvel))}, [], False
    while len(steps) < STEPS and not done:
        action = [round(float(a) * 256) / 256 for a in rng.uniform(-amplitude, amplitude, env.model.nu)]  # exact as floats
        obs, reward, done, _, _ = env.step(np.array(action))
        seen = {"obs": numbers(obs, 8)} if len(steps) % 10 == 9 else {}
        steps.append({"act": action, "qpos": numbers(env.data.qpos, 10), "qvel": numbers(env.data.qvel, 9), **seen,
                      "rew": round(float(reward), 9), "done": int(done)})
    return {**start, "steps": steps}


def main():
    out = {}
    for scenario, (name, arguments) in ROBOTS.items():
        env = gymnasium.make(name, **arguments).unwrapped
        rng = np.random.default_rng(3)
        sizes = {"nq": env.model.nq, "nv": env.model.nv, "nu": env.model.nu}
        out[scenario] = {**sizes, "episodes": [episode(env, rng, amplitude) for amplitude in (1, 0.4, 1)[:EPISODES]]}
    print(json.dumps(out, separators=(",", ":")))


main()
