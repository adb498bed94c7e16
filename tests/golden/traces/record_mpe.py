#!/usr/bin/env python3
"""Records episodes of the particle worlds as trace files (format: envs/trace.h and envs/mpe_trace.c).

    python3 -m venv /tmp/mpe2 && /tmp/mpe2/bin/pip install mpe2==1.1.1
    /tmp/mpe2/bin/python tests/golden/traces/record_mpe.py mpe2 tests/golden/traces

    python3.11 -m venv /tmp/openai && /tmp/openai/bin/pip install gym==0.10.5 numpy==1.26.4
    PYTHONPATH=<a copy of openai/multiagent-particle-envs> /tmp/openai/bin/python tests/golden/traces/record_mpe.py openai tests/golden/traces

Moves are random and held for some steps, or lead to the centre, where bodies meet; some episodes start with the bodies drawn
together or put on landmarks. Nothing of the packages is changed. Numbers of steps are rounded below the tolerances of the replay.
"""
import gzip
import json
import sys

import numpy as np

STEPS = 100
MOVES = 5
FLAT, PARTS, CONTINUOUS = "discrete", "multi-discrete", "continuous"
CASES = {
    "mpe2": [
        ("simple_spread", {}),
        ("simple_spread", {"agents": 4, "local_ratio": 0.3, "action": CONTINUOUS, "terminate_on_success": True}),
        ("simple_tag", {"prey": "agents"}),
        ("simple_tag", {"prey": "agents", "agents": 3, "prey_count": 2, "landmarks": 3, "action": CONTINUOUS}),
        ("simple_tag", {"prey": "agents", "agents": 2, "terminate_on_success": True}),
        ("simple_speaker_listener", {"action": FLAT}),
        ("simple_speaker_listener", {"action": CONTINUOUS}),
        ("simple_reference", {"action": PARTS}),
        ("simple_reference", {"action": FLAT, "local_ratio": 0.8}),
        ("simple_reference", {"action": CONTINUOUS, "horizon": 30}),
    ],
    "openai": [
        ("simple_spread", {}),
        ("simple_tag", {"prey": "agents"}),
        ("simple_speaker_listener", {"action": PARTS}),
        ("simple_reference", {"action": PARTS}),
    ],
}


class Maintained:
    """mpe2, by its parallel interface."""

    def __init__(self, task, cfg):
        import importlib
        version = "v4" if task == "simple_speaker_listener" else "v3"
        theirs = {"local_ratio": "local_ratio", "terminate_on_success": "terminate_on_success", "horizon": "max_cycles",
                  "prey_count": "num_good", "landmarks": "num_obstacles", "agents": "N" if task == "simple_spread" else "num_adversaries"}
        arguments = {theirs[key]: value for key, value in cfg.items() if key in theirs}
        module = importlib.import_module(f"mpe2.{task}_{version}")
        self.env = module.parallel_env(continuous_actions=cfg.get("action") == CONTINUOUS, **arguments)
        self.cfg, self.seed = cfg, 0
        self.env.reset(seed=1)
        self.core = self.env.unwrapped
        self.world = self.core.world

    def reset(self):
        self.seed += 1
        self.env.reset(seed=self.seed)

    def step(self, actions):
        theirs = {}
        for agent, name, action in zip(self.world.agents, self.env.possible_agents, actions):
            if self.cfg.get("action") == CONTINUOUS:
                numbers = (action[:MOVES] if agent.movable else []) + ([] if agent.silent else action[MOVES:])
                theirs[name] = np.array(numbers, dtype=np.float64)
            else:
                theirs[name] = action[0] + MOVES * action[1] if self.cfg.get("action") == PARTS else action[0]
        _, rewards, terminated, truncated, _ = self.env.step(theirs)
        done = any(terminated.values()) or any(truncated.values())
        return [float(rewards[name]) for name in self.env.possible_agents], done

    def observations(self):
        return [self.core.observe(name) for name in self.env.possible_agents]

    def state(self):
        return self.core.state()


class First:
    """The first code, which has no end of an episode and takes one-hot lists."""

    def __init__(self, task, cfg):
        from multiagent import scenarios
        from multiagent.environment import MultiAgentEnv
        self.scenario = scenarios.load(f"{task}.py").Scenario()
        np.random.seed(1)
        self.world = self.scenario.make_world()
        self.env = MultiAgentEnv(self.world, self.scenario.reset_world, self.scenario.reward, self.scenario.observation)
        self.horizon, self.t = cfg.get("horizon", 25), 0

    def reset(self):
        self.env.reset()
        self.t = 0

    def step(self, actions):
        theirs = []
        for agent, action in zip(self.world.agents, actions):
            move = np.eye(MOVES)[action[0]] if agent.movable else []
            word = [] if agent.silent else np.eye(self.world.dim_c)[action[1]]
            theirs.append(np.concatenate([move, word]))
        self.t += 1
        return [float(reward) for reward in self.env.step(theirs)[1]], self.t >= self.horizon

    def observations(self):
        return [self.scenario.observation(agent, self.world) for agent in self.world.agents]

    def state(self):
        return np.concatenate(self.observations())


def words_of(world):
    return 0 if all(agent.silent for agent in world.agents) else world.dim_c


def sizes(world, agent):
    return (MOVES if agent.movable else 1), (1 if agent.silent else words_of(world))


def choose(world, agent, policy, kept, rng):
    """One agent's action: [move, word], [flat choice] or the numbers of a box. `kept` is the move of the step before."""
    moves, words = sizes(world, agent)
    move = int(rng.integers(moves)) if rng.random() < 0.4 else kept
    if policy == "centre" and agent.movable and rng.random() < 0.8:
        axis = int(abs(agent.state.p_pos[0]) < abs(agent.state.p_pos[1]))
        move = 1 + 2 * axis + int(agent.state.p_pos[axis] < 0)
    return move % moves, int(rng.integers(words))


def encode(world, agent, cfg, move, word, rng):
    moves, _ = sizes(world, agent)
    kind = cfg.get("action", PARTS)
    if kind == PARTS:
        return [move, word] if words_of(world) else [move]
    if kind == FLAT:
        return [move + moves * word]
    pushes = rng.uniform(-0.2, 0.5, MOVES)
    pushes[move] = rng.uniform(0.5, 1.2)
    return [round(float(number), 4) for number in np.concatenate([pushes, rng.uniform(-0.2, 1.2, words_of(world))])]


def available(world, cfg):
    kind, words = cfg.get("action", PARTS), words_of(world)
    if kind == CONTINUOUS:
        return None
    counts = [sizes(world, agent) for agent in world.agents]
    if kind == FLAT:
        width = max(moves * said for moves, said in counts)
        return ["1" * (moves * said) + "0" * (width - moves * said) for moves, said in counts]
    return ["1" * moves + "0" * (MOVES - moves) + ("1" * said + "0" * (words - said) if words else "") for moves, said in counts]


def padded(rows):
    width = max(len(row) for row in rows)
    return [[round(float(number), 7) for number in row] + [0] * (width - len(row)) for row in rows]


def bodies(world, digits=17):
    return [[round(float(number), digits) for number in np.concatenate([agent.state.p_pos, agent.state.p_vel])] for agent in world.agents]


def seen(env, cfg, has_state):
    line = {"obs": padded(env.observations())}
    if has_state:
        line["state"] = [round(float(number), 7) for number in env.state()]
    return {**line, "avail": available(env.world, cfg)} if available(env.world, cfg) else line


def goals(world):
    targets = [vars(agent).get("_goal_b", vars(agent).get("goal_b")) for agent in world.agents] if words_of(world) else []
    return [world.landmarks.index(target) for target in targets if target is not None]


def rearrange(world, start, rng):
    """together: all in the middle; covered: near a landmark each."""
    for i, agent in enumerate(world.agents):
        if start == "together":
            agent.state.p_pos = agent.state.p_pos * 0.15
        if start == "covered":
            agent.state.p_pos = world.landmarks[i % len(world.landmarks)].state.p_pos + rng.uniform(-0.09, 0.09, 2)


def record(variant, task, cfg):
    env = (Maintained if variant == "mpe2" else First)(task, cfg)
    world, rng = env.world, np.random.default_rng(7)
    header = {"type": "header", "format": 1, "env": "mpe", "variant": variant, "name": task, "cfg": cfg, "n_agents": len(world.agents),
              "obs_len": max(len(row) for row in env.observations())}
    lines, steps, episode = [header], 0, 0
    while steps < STEPS:
        start, policy = ("as drawn", "together", "covered")[episode % 3], ("random", "centre")[episode % 2]
        env.reset()
        rearrange(world, start, rng)
        lines.append({"type": "reset", "ep": episode, "policy": policy, "start": start, "bodies": bodies(world),
                      "landmarks": [[float(number) for number in landmark.state.p_pos] for landmark in world.landmarks],
                      "goals": goals(world), **seen(env, cfg, episode == 0)})
        kept, done, t = [0] * len(world.agents), False, 0
        while not done:
            t += 1
            picks = [choose(world, agent, policy, kept[n], rng) for n, agent in enumerate(world.agents)]
            kept = [move for move, _ in picks]
            actions = [encode(world, agent, cfg, *pick, rng) for agent, pick in zip(world.agents, picks)]
            rewards, done = env.step(actions)
            speech = [[round(float(number), 12) for number in agent.state.c] for agent in world.agents]
            lines.append({"type": "step", "ep": episode, "t": t, "act": [a[0] if len(a) == 1 else a for a in actions],
                          "bodies": bodies(world, 11), **({"speech": speech} if words_of(world) else {}), **seen(env, cfg, episode == 0),
                          "rew": [round(reward, 12) for reward in rewards], "done": int(done)})
        steps += t
        episode += 1
    return lines


def main():
    variant, folder = sys.argv[1:]
    for number, (task, cfg) in enumerate(CASES[variant]):
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in record(variant, task, cfg))
        with open(f"{folder}/mpe_{variant}_{number}_{task}.jsonl.gz", "wb") as file:
            file.write(gzip.compress(text.encode(), 9, mtime=0))


main()
