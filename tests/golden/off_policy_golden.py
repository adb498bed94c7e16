"""One update of value-decomposition methods and of MADDPG in float64: the independent reference of tests/learner/test_q_learning.c
and, with the methods that stand on them, of test_rivals.c.

Run by hand after a change of meaning (pip install torch numpy; python3 tests/golden/off_policy_golden.py). Writes learner/*.json beside
this file. Episode by episode, step by step, through torch's GRU cell, autograd and optimisers; the C code works on sorted blocks of episodes.
The sample is the whole replay, so that no draw has to be repeated here; noise of the Gumbel softmax comes from rng.c's definition.
"""
import math

import torch
import torch.nn.functional as F

from learner_golden import RNG_BATCH, RNG_NOISE, SMOOTH, Stream, f32, write
from net_golden import ELU, RELU, Numbers, flat, forward, parameters

ENDS = [{2: "truncated", 5: "terminated"}, {1: "terminated", 4: "truncated"}, {0: "truncated", 5: "terminated"}]
T, CHUNK = 6, 3


def clip(weights, max_norm):
    """torch's own adds 1e-6 to the norm, which shows where gradients are small."""
    norm = torch.sqrt(sum((w.grad**2).sum() for w in weights))
    if max_norm > 0 and norm > max_norm:
        for w in weights:
            w.grad *= max_norm / norm
    return norm


def make_columns(n, N, O, S, A):
    lanes = []
    for ends in ENDS:
        c, E = {}, len(ends)
        c["observation"], c["state"] = n.normal(T + 1, N, O), n.normal(T + 1, N, S)
        c["available"] = (n.uniform(0, 1, T, N, A) < 0.7).to(torch.int64)
        c["final_available"] = (n.uniform(0, 1, E, N, A) < 0.7).to(torch.int64)
        c["action"], steps, step = n.integers(A, T, N), [], 0
        for t in range(T):
            steps.append(step)
            step = 0 if t in ends else step + 1
            for a in range(N):
                c["available"][t, a, c["action"][t, a]] = 1
        c["final_available"][:, :, 1] = 1
        c["intended"], c["alive"], c["slot"] = c["action"], torch.ones(T, N, dtype=torch.int64), torch.zeros(T, N, dtype=torch.int64)
        c["reward"] = n.normal(T, N)
        c["terminated"] = torch.tensor([int(ends.get(t) == "terminated") for t in range(T)])
        c["truncated"] = torch.tensor([int(ends.get(t) == "truncated") for t in range(T)])
        c["episode_step"] = torch.tensor(steps)
        c["final_observation"], c["final_state"] = n.normal(E, N, O), n.normal(E, N, S)
        lanes.append(c)
    return lanes


def episodes_of(lanes):
    """Each with `length` steps and one more observation, state and mask."""
    found = []
    for ends, c in zip(ENDS, lanes):
        start = 0
        for e, (end, kind) in enumerate(sorted(ends.items())):
            part = slice(start, end + 1)
            whole = lambda name, final: torch.cat([c[name][part], c[final][e : e + 1]])
            found.append(dict(observation=whole("observation", "final_observation"), state=whole("state", "final_state")[:, 0],
                              available=whole("available", "final_available").bool(), action=c["action"][part],
                              alive=c["alive"][part], slot=c["slot"][part], index=len(found), reward=c["reward"][part], terminated=kind == "terminated", length=end + 1 - start))
            start = end + 1
    return found


def agent_input(episode, N, A, last_action):
    x = episode["observation"]
    if not last_action:
        return x
    before = torch.cat([torch.zeros(1, N, A), F.one_hot(episode["action"], A).to(torch.float64)])
    return torch.cat([x, before], -1)


def values(arch, net, episode, N, A, last_action):
    """[length+1,N,A]"""
    x, steps = agent_input(episode, N, A, last_action), episode["length"] + 1
    keep = torch.ones(steps, N)
    return forward(arch, net, x.reshape(steps * N, -1), steps, torch.zeros(N, arch["hidden"]), keep).reshape(steps, N, -1)


def memory(arch, net, episode, N, A, last_action):
    """The GRU's states [length+1,N,H]: the net with the identity for a head."""
    H = arch["hidden"]
    return values({**arch, "out": H}, {**net, "head.weight": torch.eye(H), "head.bias": torch.zeros(1, H)}, episode, N, A, last_action).detach()


def qmix(archs, nets, prefix, q, state):
    """The published mixer: matrices for each step."""
    R, N = q.shape
    out = {k: forward(archs[f"mixer/{k}"], nets[f"{prefix}mixer/{k}"], state) for k in ("w1", "b1", "w2", "v")}
    hidden = F.elu(torch.bmm(q[:, None, :], out["w1"].abs().reshape(R, N, -1))[:, 0] + out["b1"])
    return (hidden * out["w2"].abs()).sum(-1) + out["v"][:, 0]


def qplex(archs, nets, prefix, q, state, best, action):
    """Head by head, agents' transformed values and their advantages apart; no gradient through advantages, as published."""
    R, N = q.shape
    A = (archs["mixer/action"]["in"] - state.shape[1]) // N
    net = lambda k, x: forward(archs[f"mixer/{k}"], nets[f"{prefix}mixer/{k}"], x)
    w, b = net("weight", state).abs() + 1e-10, net("bias", state)
    key = net("key", state).abs() + 1e-10
    phi = torch.sigmoid(net("agents", state)).reshape(R, -1, N)
    joint = torch.cat([state, F.one_hot(action, A).to(torch.float64).reshape(R, -1)], -1)
    attention = torch.sigmoid(net("action", joint)).reshape(R, -1, N)
    credit = sum(key[:, k, None] * phi[:, k] * attention[:, k] for k in range(key.shape[1]))
    advantage = ((w * q + b) - (w * best + b)).detach()
    return (w * q + b).sum(-1) + ((credit - 1) * advantage).sum(-1)


def total_of(algorithm, archs, nets, prefix, q, state, best, action):
    if algorithm == "qplex":
        return qplex(archs, nets, prefix, q, state, best, action)
    return q.sum(-1) if algorithm == "vdn" else qmix(archs, nets, prefix, q, state)


# ---- MIR3: the estimator's step on a ring of all steps, and the rewards that it leaves ----

MI = {"lambda": 0.05, "lr": 2e-3, "rows": 16}


def penalty_arch(x_width, rows_of_agents, N, A, is_box):
    agents = 1 if rows_of_agents else N
    return dict(activation=RELU, input_norm=0, layer_norm=0, gru=0, hidden=8, depth=1, out=agents * A * (2 if is_box else 1), **{"in": x_width})


def log_q(arch, net, x, y, mask, is_box):
    """log q(y_j | x_i) of every pair of rows [i,j,part], a part being a softmax, or a number of a box; twice and without constants of a box."""
    out = forward(arch, net, x)
    if is_box:
        mean, spread = out.chunk(2, -1)
        v = torch.tanh(spread)[:, None]
        return -((y[None] - mean[:, None]) ** 2 / v.exp() + v)
    logits = out.reshape(mask.shape).masked_fill(~mask, -1e10)
    every = F.log_softmax(logits, -1)[:, None].expand(len(x), len(x), *mask.shape[1:])
    return every.gather(-1, y[None, ..., None].expand(len(x), *y.shape, 1))[..., 0]


def is_negative(y, mask, is_box):
    """[i,j,part]: whether row i has row j's choice."""
    if is_box:
        return torch.ones(len(y), *y.shape, dtype=torch.bool)
    return mask[:, None].expand(len(y), *mask.shape).gather(-1, y[None, ..., None].expand(len(y), *y.shape, 1))[..., 0]


def mask_of(e, A):
    own = F.one_hot(e["action"], A).bool()
    return own | (e["available"][:-1] & e["alive"].bool()[..., None] & (e["available"][:-1] & own).any(-1, keepdim=True))


def shape_rewards(episodes, net, arch, x_of, by_agent, N, A, is_box, report):
    """CLUB of every step. episodes: the sample, longest first; the ring is filled in the order of their ends, lane by lane."""
    flat_y = lambda e: e["action"] if by_agent else e["action"].reshape(e["length"], -1)
    masks = lambda e: mask_of(e, A) if not is_box else torch.ones(e["length"], N, A, dtype=torch.bool)
    in_ring, draw = sorted(episodes, key=lambda e: e["index"]), Stream(1, 8, 1 << 63, 0, 0)
    groups = range(N) if by_agent else [slice(None)]
    rows = [(x_of(e)[t, g] if by_agent else x_of(e)[t], flat_y(e)[t, g : g + 1].reshape(-1) if by_agent else flat_y(e)[t],
             masks(e)[t, g : g + 1] if by_agent else masks(e)[t]) for e in in_ring for t in range(e["length"]) for g in groups
            if not by_agent or e["alive"][t, g]]
    drawn = [rows[draw.below(len(rows))] for _ in range(MI["rows"])]
    x, y, mask = (torch.stack(part) for part in zip(*drawn))
    own = torch.diagonal(log_q(arch, net, x, y, mask, is_box)).sum() / MI["rows"]
    optimiser = torch.optim.Adam(net.values(), lr=MI["lr"], eps=1e-5)
    (-own).backward()
    optimiser.step()
    width = y.shape[-1]
    report["mi/nll"] = (-own.item() + width * math.log(2 * math.pi)) / 2 if is_box else -own.item()
    steps = sum(e["length"] for e in episodes)
    penalty = [torch.zeros(e["length"]) for e in episodes]
    for g in groups:
        at = [(k, t) for k, e in enumerate(episodes) for t in range(e["length"]) if not by_agent or e["alive"][t, g]]
        x = torch.stack([x_of(episodes[k])[t, g] if by_agent else x_of(episodes[k])[t] for k, t in at])
        y = torch.stack([flat_y(episodes[k])[t, g : g + 1].reshape(-1) if by_agent else flat_y(episodes[k])[t] for k, t in at])
        mask = torch.stack([masks(episodes[k])[t, g : g + 1] if by_agent else masks(episodes[k])[t] for k, t in at])
        pairs, has = log_q(arch, net, x, y, mask, is_box).detach(), is_negative(y, mask, is_box)
        bound = (torch.diagonal(pairs).T - (pairs * has).sum(1) / has.sum(1)).sum(-1) / (2 if is_box else 1)
        for (k, t), value in zip(at, bound):
            penalty[k][t] += value
    every = torch.cat(penalty)
    mean = every.mean()
    B = len(episodes)
    spread = sum((p - mean).sum() ** 2 for p in penalty) * B / (B - 1)
    z = 1.959963984540054
    f = B - 1  # Abramowitz, Stegun 1964, 26.7.5
    student = z + (z**3 + z) / (4 * f) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2) + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    half = student * spread.sqrt() / steps
    rewards = torch.cat([e["reward"].mean(-1) for e in episodes])
    report.update({"mi/mean": mean.item(), "mi/min": every.min().item(), "mi/max": every.max().item(), "mi/low": (mean - half).item(),
                   "mi/high": (mean + half).item(), "mi/share": (MI["lambda"] * mean.abs() / rewards.abs().mean()).item()})
    for e, p in zip(episodes, penalty):
        e["reward"] = e["reward"] - MI["lambda"] * p[:, None]
    return {"mi/action": {p: flat(optimiser.state[w]["exp_avg"]) for p, w in net.items()}}


MI_RECIPE = [f"mi.lambda={MI['lambda']}", f"mi.lr={MI['lr']}", f"mi.fit_rows={MI['rows']}", "mi.hidden=8"]


HORIZON = 100


def distance(kind, available, u, there):
    """ERNIE's D [.,N] between two outputs [.,N,A] of a net."""
    if kind == "values":
        return 0.5 * (((u - there) * available) ** 2).sum(-1)
    if kind == "tanh":
        return 0.5 * ((torch.tanh(u) - torch.tanh(there)) ** 2).sum(-1)
    p, q = (F.log_softmax(x.masked_fill(~available, -1e10), -1) for x in (u, there))
    return (p.exp() * (p - q)).sum(-1)


def smoothness(kind, arch, net, episode, index, update, N, O, A, last_action):
    """Sum over an episode's steps and agents of D between the net on its inputs and on nearby ones, which one ascent finds; rounded where
    the C code's floats are, so that the corners of the ball agree."""
    L, x, available = episode["length"], agent_input(episode, N, A, last_action)[:-1], episode["available"][:-1]
    act = lambda net, x: forward(arch, net, x.reshape(L * N, -1), L, torch.zeros(N, arch["hidden"]), torch.ones(L, N)).reshape(L, N, A)
    start = x.clone()
    for t in range(L):
        for n in range(N):
            draw = Stream(1, RNG_NOISE, update, 0, (index * (HORIZON + 1) + t) * N + n)
            start[t, n, :O] += f32(torch.tensor([SMOOTH["noise"] * draw.normal() for _ in range(O)]))
    start = f32(start).requires_grad_()
    held = {name: w.detach() for name, w in net.items()}
    (slope,) = torch.autograd.grad(distance(kind, available, act(held, x), act(held, start)).sum(), start)
    delta = (start.detach() - x + SMOOTH["step"] * slope.sign()).clamp(-SMOOTH["radius"], SMOOTH["radius"])
    delta[:, :, O:] = 0
    return distance(kind, available, act(net, x), act(net, f32(x + delta))).sum()


# ---- ROM-Q: the adversary's own learning ----


class Adversary:
    """Q-learning of choices; of real numbers a critic `minq` and an actor that goes down it. Adam keeps its moments from step to step."""

    def __init__(self, archs, nets, n, O, A, is_box, gamma, bootstraps, romq):
        base = dict(activation=RELU, input_norm=0, layer_norm=0, gru=0, hidden=romq["hidden"], depth=2)
        self.live = ["adversary", "minq"] if is_box else ["adversary"]
        for key in self.live:
            archs[key] = archs["target/" + key] = {**base, "in": O, "out": A} if key == "adversary" else {**base, "in": O + A, "out": 1}
            nets[key], nets["target/" + key] = parameters(archs[key], n), parameters(archs[key], n)
        self.archs, self.nets, self.is_box, self.gamma, self.bootstraps, self.romq = archs, nets, is_box, gamma, bootstraps, romq
        self.optimisers = {key: torch.optim.Adam(nets[key].values(), lr=romq["lr"], eps=1e-5) for key in self.live}

    def output(self, key, x):
        arch = self.archs[key]
        return forward(arch, self.nets[key], x.reshape(-1, arch["in"])).reshape(*x.shape[:-1], arch["out"])

    def mu(self, prefix, e):
        return torch.tanh(self.output(prefix + "adversary", e["observation"]))

    def minq(self, prefix, observation, action):
        return self.output(prefix + "minq", torch.cat([observation, action], -1))[..., 0]

    def done_and_next(self, e):
        """What the live net says of the actions that were done, and the target of what comes then."""
        o = e["observation"]
        if self.is_box:
            return self.minq("", o[:-1], e["action"]), self.minq("target/", o, self.mu("target/", e))[1:]
        return self.output("adversary", o)[:-1].gather(-1, e["action"][..., None])[..., 0], self.output("target/adversary", o)[1:].amax(-1)

    def descend(self, key, loss):
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        self.optimisers[key].step()

    def step(self, episodes, weights=None):
        """weights: of the episodes' squares. Returns the loss of the values."""
        steps, loss = sum(e["length"] for e in episodes), 0.0
        for e, w in zip(episodes, weights or [1] * len(episodes)):
            done, after = self.done_and_next(e)
            after = after.detach()
            if e["terminated"] or not self.bootstraps:
                after[-1] = 0
            y = e["reward"].reshape(e["length"], -1).mean(-1, keepdim=True) + self.gamma * after
            loss = loss + w * 0.5 * ((done - y) ** 2).sum() / (steps * y.shape[1])
        self.descend("minq" if self.is_box else "adversary", loss)
        if self.is_box:
            self.descend("adversary", sum(self.minq("", e["observation"], self.mu("", e))[:-1].sum() / (steps * e["action"].shape[1]) for e in episodes))
        with torch.no_grad():
            for key in self.live:
                for p, w in self.nets[key].items():
                    late = self.nets["target/" + key][p]
                    late.copy_((1 - self.romq["share"]) * late + self.romq["share"] * w)
        return loss.item()

    def moment(self, w, name="exp_avg"):
        return next((o.state[w][name] for o in self.optimisers.values() if w in o.state), None)

    def moments(self):
        return {key: {p: flat(self.moment(w)) for p, w in self.nets[key].items()} for key in self.live}

    def recipe(self):
        return [f"romq.hidden={self.romq['hidden']}", f"romq.lr={self.romq['lr']}", f"romq.target_share={self.romq['share']}"]


def value_update(name, seed, algorithm, N, O, S, A, H, last_action, optimiser, is_double, max_norm, target_every, layers=1, norm=0, mi=None, smooth=False, romq=None):
    n = Numbers(seed)
    joint, E, hyper, lr, gamma, share = S > 0, 4, 7, 2e-3, 0.95, 0.25
    Z = S if joint else N * O
    base = dict(activation=RELU, input_norm=0, layer_norm=0, gru=0)
    archs = {"defender": {**base, "in": O + (A if last_action else 0), "hidden": H, "depth": 1, "out": A, "gru": 2}}
    if algorithm == "qmix":
        archs["mixer/w1"] = {**base, "in": Z, "hidden": hyper, "depth": 1, "out": N * E}
        archs["mixer/b1"] = {**base, "in": Z, "hidden": 1, "depth": 0, "out": E}
        archs["mixer/w2"] = {**base, "in": Z, "hidden": hyper, "depth": 1, "out": E}
        archs["mixer/v"] = {**base, "in": Z, "hidden": E, "depth": 1, "out": 1}
    if algorithm == "qplex":
        attention = {**base, "input_norm": norm, "in": Z, "hidden": 6 if layers > 1 else 1, "depth": layers - 1}
        for key in ("weight", "bias"):
            archs["mixer/" + key] = {**base, "input_norm": norm, "in": Z, "hidden": hyper, "depth": 1, "out": N}
        archs["mixer/key"] = {**attention, "out": E}
        archs["mixer/agents"] = {**attention, "out": E * N}
        archs["mixer/action"] = {**attention, "in": Z + N * A, "out": E * N}
    live = list(archs)
    nets = {prefix + key: parameters(archs[key], n) for prefix in ("", "target/") for key in live}
    report, extra = {}, {}
    if mi:
        archs["mi/action"] = penalty_arch(dict(state=Z, observation=O, hidden=H)[mi], mi != "state", N, A, False)
        nets["mi/action"] = parameters(archs["mi/action"], n)
    adversary = Adversary(archs, nets, n, O, A, False, gamma, True, romq) if romq else None
    start = {key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}
    lanes = make_columns(n, N, O, S if joint else O, A)
    if mi:
        for c in lanes:
            c["alive"] = (n.uniform(0, 1, T, N) < 0.8).to(torch.int64)
    episodes = episodes_of(lanes)
    steps = sum(e["length"] for e in episodes)
    if mi:
        with torch.no_grad():
            x_of = {"state": lambda e: e["state"] if joint else e["observation"].reshape(e["length"] + 1, -1), "observation": lambda e: e["observation"],
                    "hidden": lambda e: memory(archs["defender"], nets["defender"], e, N, A, last_action)}[mi]
        extra = shape_rewards(episodes, nets["mi/action"], archs["mi/action"], x_of, mi != "state", N, A, False, report)
    if romq:
        report["adversary/loss"] = adversary.step(episodes)
        extra = adversary.moments()

    loss, chosen_sum, target_sum, term = 0.0, 0.0, 0.0, 0.0
    for index, e in enumerate(episodes):
        L = e["length"]
        state = e["state"] if joint else e["observation"].reshape(L + 1, -1)
        q = values(archs["defender"], nets["defender"], e, N, A, last_action)
        late = values(archs["defender"], nets["target/defender"], e, N, A, last_action).detach()
        masked, masked_late = (values_of.masked_fill(~e["available"], -9999999) for values_of in (q.detach(), late))
        greedy = (masked if is_double else masked_late).argmax(-1)[1:]
        next_q = late[1:].gather(-1, greedy[..., None])[..., 0]
        after = total_of(algorithm, archs, nets, "target/", next_q, state[1:], masked_late.amax(-1)[1:], greedy).detach()
        if e["terminated"]:
            after[-1] = 0
        y = e["reward"].mean(-1) + gamma * after
        done = q[:-1].gather(-1, e["action"][..., None])[..., 0]
        total = total_of(algorithm, archs, nets, "", done, state[:-1], masked.amax(-1)[:-1], e["action"])
        loss = loss + ((total - y) ** 2).sum() / steps
        if smooth:
            term = term + smoothness("values", archs["defender"], nets["defender"], e, index, len(episodes), N, O, A, last_action) / (steps * N)
        chosen_sum, target_sum = chosen_sum + total.sum().item() / steps, target_sum + y.sum().item() / steps
    loss = loss + SMOOTH["weight"] * term
    loss.backward()

    weights = [w for key in live for w in nets[key].values()]
    size = clip(weights, max_norm)
    if optimiser == "rmsprop":
        torch_optimiser = torch.optim.RMSprop(weights, lr=lr, alpha=0.9, eps=1e-4)
    else:
        torch_optimiser = torch.optim.Adam(weights, lr=lr, eps=1e-4)
    torch_optimiser.step()
    moment = "square_avg" if optimiser == "rmsprop" else "exp_avg"
    with torch.no_grad():
        for key in live:
            for p, w in nets[key].items():
                late = nets["target/" + key][p]
                if target_every == 0:
                    late.copy_((1 - share) * late + share * w)
                elif len(episodes) % target_every == 0:
                    late.copy_(w)

    recipe = [f"learner.algorithm={algorithm}", "act.behaviour=epsilon", f"act.recurrent={H}", f"act.last_action={'true' if last_action else 'false'}",
              f"rollout.lanes={len(lanes)}", f"rollout.steps={T}", f"rollout.chunk={CHUNK}", f"q.hidden={H}", f"q.batch={len(episodes)}",
              f"q.updates_per_episode={1 / len(episodes)}", f"q.optimiser={optimiser}", f"q.lr={lr}", "q.alpha=0.9", "q.eps=1e-4",
              f"q.max_norm={max_norm}", f"q.gamma={gamma}", f"q.double={'true' if is_double else 'false'}", f"q.target_every={target_every}",
              f"q.target_share={share}", f"qmix.embed={E}", f"qmix.hypernet={hyper}", "replay.episodes=20"]
    recipe += ([*MI_RECIPE, f"mi.x={mi}"] if mi else []) + (adversary.recipe() if romq else [])
    if algorithm == "qplex":
        recipe += [f"qplex.heads={E}", f"qplex.hypernet={hyper}", f"qplex.layers={layers}", "qplex.attention=6",
                   f"qplex.state_norm={'true' if norm else 'false'}"]
    recipe += [f"smoothness.{key}={value}" for key, value in SMOOTH.items() if smooth]
    left_out = [] if joint else ["state", "final_state"]
    write(name, dict(recipe=recipe, N=N, O=O, S=S if joint else O, A=A, K=0, H=0, joint=joint, moment="v" if optimiser == "rmsprop" else "m",
                     lanes=[dict(episodes=len(ENDS[l]), columns={k: flat(v) for k, v in lane.items() if k not in left_out})
                            for l, lane in enumerate(lanes)],
                     parameters=start, norm=[0, 0, 0, 0], horizon=6,
                     report={"q/loss": loss.item(), "q/norm": size.item(), "q/chosen": chosen_sum, "q/target": target_sum, **report,
                             **({"smoothness": term.item()} if smooth else {})},
                     moments={**{key: {p: flat(torch_optimiser.state[w][moment]) for p, w in nets[key].items()} for key in live}, **extra},
                     result={key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}))


def box_columns(n, lanes, N, A):
    for c in lanes:
        c["action"] = n.uniform(-1, 1, T, N, A)
        c["intended"] = c["action"]
        c["available"], c["final_available"] = torch.ones_like(c["available"]), torch.ones_like(c["final_available"])


def m3ddpg_actions(head, actions, own, epsilon, released=False, fresh=None):
    """[L,N,A]: all but agent `own` a step of length epsilon down the gradient of head(actions) [L]. released: the step is not normalised; of the
    target (fresh None) agent `own` alone, else at the gradient of fresh actions."""
    if epsilon == 0:
        return actions
    here = (actions if fresh is None or not released else fresh).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(here).sum(), here)
    delta = -epsilon * (gradient if released else F.normalize(gradient, dim=-1))
    if released and fresh is None:
        delta = torch.zeros_like(delta).index_copy_(1, torch.tensor([own]), delta[:, [own]])
    else:
        delta[:, own] = 0
    return actions + delta


def low_bound(arch, net, x, radius):
    """ROMAX: ends of the interval through every layer, the matrix split by sign; [R]."""
    low, high = x - radius, x + radius
    layers = [f"trunk.{l}" for l in range(arch["depth"])] + ["head"]
    for layer in layers:
        w, b = net[layer + ".weight"], net[layer + ".bias"]
        above, below = w.clamp(min=0), w.clamp(max=0)
        low, high = low @ above + high @ below + b, high @ above + low @ below + b
        if layer != "head":
            low, high = torch.relu(low), torch.relu(high)
    return low[:, 0]


def maddpg_update(name, seed, N, O, S, A, H, is_box, action_reg=0, bootstraps=False, m3ddpg=0, released=False, romax=(0, 0), smooth=False, mi=None, romq=None):
    n = Numbers(seed)
    joint, lr, critic_lr, gamma, share, max_norm = S > 0, 2e-3, 3e-3, 0.9, 0.25, 0.01
    Z = S if joint else N * O
    base = dict(activation=RELU, input_norm=0, layer_norm=0, hidden=H)
    actor = {**base, "in": O, "depth": 2 if is_box else 1, "out": A, "gru": 0 if is_box else 2}
    critic = {**base, "in": Z + N + N * A, "depth": 2, "out": 1, "gru": 0}
    archs = {"defender": actor, "critic": critic, "target/defender": actor, "target/critic": critic}
    if mi:
        archs["mi/action"] = penalty_arch(O if mi == "observation" else Z, mi != "state", N, A, is_box)
    nets, report, extra = {key: parameters(arch, n) for key, arch in archs.items()}, {}, {}
    adversary = Adversary(archs, nets, n, O, A, is_box, gamma, bootstraps, romq) if romq else None
    start = {key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}
    lanes = make_columns(n, N, O, S if joint else O, A)
    state_of = lambda e: e["state"] if joint else e["observation"].reshape(e["length"] + 1, -1)
    if is_box:
        box_columns(n, lanes, N, A)
    for c in lanes if romq else []:
        c["slot"] = (n.uniform(0, 1, T, N) < 0.3).to(torch.int64)
    episodes = episodes_of(lanes)
    if mi:
        x_of = (lambda e: e["observation"]) if mi == "observation" else lambda e: state_of(e)
        extra = shape_rewards(episodes, nets["mi/action"], archs["mi/action"], x_of, mi != "state", N, A, is_box, report)
    steps = sum(e["length"] for e in episodes)
    hot = lambda e: e["action"] if is_box else F.one_hot(e["action"], A).to(torch.float64)

    def outputs(which, e):
        return values(actor, nets[which], e, N, A, False)

    def critic_input(state, actions, i):
        L = len(state)
        return torch.cat([state, torch.eye(N)[i].expand(L, N), actions.reshape(L, N * A)], -1)

    def q(which, state, actions, i):
        """Agent i's values [L] of joint actions [L,N,A]."""
        return forward(critic, nets[which], critic_input(state, actions, i))[:, 0]

    def judged(which, state, actions, i, own, fresh=None):
        """q as a method that guards agent `own` against the others sees it."""
        value = q(which, state, m3ddpg_actions(lambda a: q(which, state, a, i), actions, own, m3ddpg, released, fresh), i)
        epsilon, share = romax
        if share == 0:
            return value
        radius = torch.full((N, A), epsilon)
        radius[own] = 0
        around = torch.cat([torch.zeros(Z + N), radius.reshape(-1)])
        return (1 - share) * value + share * low_bound(critic, nets[which], critic_input(state, actions, i), around)

    loss, value_sum, target_sum = 0.0, 0.0, 0.0
    for e in episodes:
        L, u = e["length"], outputs("target/defender", e).detach()
        late = torch.tanh(u) if is_box else F.one_hot(u.masked_fill(~e["available"], -1e10).argmax(-1), A).to(torch.float64)
        after = torch.stack([judged("target/critic", state_of(e)[1:], late[1:], i, i) for i in range(N)], -1).detach()
        if e["terminated"] or not bootstraps:
            after[-1] = 0
        y = e["reward"].mean(-1)[:, None] + gamma * after
        v = torch.stack([q("critic", state_of(e)[:-1], hot(e), i) for i in range(N)], -1)
        loss = loss + 0.5 * ((v - y) ** 2).sum() / (steps * N)
        value_sum, target_sum = value_sum + v.sum().item() / (steps * N), target_sum + y.sum().item() / (steps * N)
    if romq:
        report["adversary/loss"] = adversary.step(episodes)
        extra = adversary.moments()
    optimisers = {key: torch.optim.Adam(nets[key].values(), lr=rate, eps=1e-4) for key, rate in (("defender", lr), ("critic", critic_lr))}
    loss.backward()
    clip(list(nets["critic"].values()), max_norm)
    optimisers["critic"].step()

    actor_loss, term = 0.0, 0.0
    for index, e in enumerate(episodes):
        L, u, stream = e["length"], outputs("defender", e)[:-1], Stream(1, RNG_BATCH, len(episodes), 0, 1 + index)
        if is_box:
            fresh = torch.tanh(u)
        else:
            unit = torch.tensor([stream.double() for _ in range(L * N * A)]).reshape(L, N, A)
            noisy = u.masked_fill(~e["available"][:-1], -1e10) - torch.log(-torch.log(unit + 1e-20) + 1e-20)
            soft = torch.softmax(noisy, -1)
            fresh = F.one_hot(noisy.argmax(-1), A) - soft.detach() + soft
        for i in range(N):
            actions = torch.cat([hot(e)[:, :i], fresh[:, i : i + 1], hot(e)[:, i + 1 :]], 1)
            for j in range(N):
                played_itself = 1 - e["slot"][:, i]
                actor_loss = actor_loss - (played_itself * judged("critic", state_of(e)[:-1], actions, j, i, fresh)).sum() / (steps * N * N)
        actor_loss = actor_loss + action_reg * (fresh**2).sum() / (steps * N * A)
        if smooth:
            term = term + smoothness("tanh" if is_box else "choices", actor, nets["defender"], e, index, len(episodes), N, O, A, False) / (steps * N)
    actor_loss = actor_loss + SMOOTH["weight"] * term
    actor_loss.backward()
    clip(list(nets["defender"].values()), max_norm)
    optimisers["defender"].step()
    with torch.no_grad():
        for key in ("defender", "critic"):
            for p, w in nets[key].items():
                nets["target/" + key][p].copy_((1 - share) * nets["target/" + key][p] + share * w)

    recipe = ["learner.algorithm=maddpg", f"act.behaviour={'tanh' if is_box else 'gumbel'}", f"act.recurrent={0 if is_box else H}",
              f"rollout.lanes={len(lanes)}", f"rollout.steps={T}", f"rollout.chunk={CHUNK}", f"maddpg.hidden={H}",
              f"maddpg.batch={len(episodes)}", f"maddpg.updates_per_episode={1 / len(episodes)}", f"maddpg.lr={lr}",
              f"maddpg.critic_lr={critic_lr}", "maddpg.eps=1e-4", f"maddpg.max_norm={max_norm}", f"maddpg.gamma={gamma}",
              f"maddpg.target_share={share}", f"maddpg.action_reg={action_reg}", f"maddpg.bootstraps_limits={'true' if bootstraps else 'false'}",
              "replay.episodes=20"] + ([f"m3ddpg.epsilon={m3ddpg}"] if m3ddpg else []) + (["m3ddpg.rule=released"] if released else [])
    recipe += [f"romax.epsilon={romax[0]}", f"romax.share={romax[1]}"] if romax[1] else []
    recipe += [f"smoothness.{key}={value}" for key, value in SMOOTH.items() if smooth]
    recipe += ([*MI_RECIPE, f"mi.x={mi}"] if mi else []) + (adversary.recipe() if romq else [])
    left_out = [] if joint else ["state", "final_state"]
    write(name, dict(recipe=recipe, N=N, O=O, S=S if joint else O, A=A, K=0, H=0, joint=joint, box=is_box, moment="m",
                     lanes=[dict(episodes=len(ENDS[l]), columns={k: flat(v) for k, v in lane.items() if k not in left_out})
                            for l, lane in enumerate(lanes)],
                     parameters=start, norm=[0, 0, 0, 0],
                     report={"maddpg/critic": loss.item(), "maddpg/actor": actor_loss.item(), "maddpg/value": value_sum, "maddpg/target": target_sum, **report,
                             **({"smoothness": term.item()} if smooth else {})},
                     moments={**{key: {p: flat(optimisers[key].state[w]["exp_avg"]) for p, w in nets[key].items()} for key in optimisers}, **extra},
                     result={key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}))


if __name__ == "__main__":
    value_update("qmix", 11, "qmix", N=3, O=5, S=7, A=4, H=6, last_action=True, optimiser="rmsprop", is_double=True, max_norm=0.5, target_every=6)
    value_update("qmix_soft", 12, "qmix", N=2, O=4, S=0, A=3, H=5, last_action=False, optimiser="adam", is_double=False, max_norm=0, target_every=0)
    value_update("vdn", 13, "vdn", N=3, O=5, S=0, A=4, H=6, last_action=True, optimiser="adam", is_double=True, max_norm=10, target_every=7)
    value_update("qplex", 16, "qplex", N=3, O=5, S=7, A=4, H=6, last_action=True, optimiser="rmsprop", is_double=True, max_norm=0.5, target_every=6)
    value_update("qplex_deep", 17, "qplex", N=2, O=4, S=0, A=3, H=5, last_action=False, optimiser="adam", is_double=False, max_norm=0, target_every=0,
                 layers=3, norm=1)
    maddpg_update("maddpg", 14, N=3, O=5, S=7, A=4, H=6, is_box=False, action_reg=0, bootstraps=False)
    maddpg_update("maddpg_box", 15, N=2, O=4, S=0, A=3, H=7, is_box=True, action_reg=0.1, bootstraps=True)
    value_update("mir3_qmix", 16, "qmix", N=3, O=5, S=7, A=4, H=6, last_action=True, optimiser="rmsprop", is_double=True, max_norm=0.5, target_every=6,
                 mi="state")
    value_update("mir3_vdn_hidden", 17, "vdn", N=3, O=5, S=0, A=4, H=6, last_action=True, optimiser="adam", is_double=True, max_norm=10,
                 target_every=7, mi="hidden")
    maddpg_update("mir3_maddpg", 18, N=3, O=5, S=7, A=4, H=6, is_box=False, action_reg=0, bootstraps=False, mi="observation")
    maddpg_update("mir3_maddpg_box", 19, N=2, O=4, S=0, A=3, H=7, is_box=True, action_reg=0.1, bootstraps=True, mi="state")
    maddpg_update("m3ddpg", 16, N=3, O=3, S=4, A=3, H=5, is_box=False, m3ddpg=0.3)
    maddpg_update("m3ddpg_box", 17, N=3, O=3, S=0, A=2, H=6, is_box=True, m3ddpg=0.2)
    maddpg_update("m3ddpg_released", 25, N=3, O=3, S=4, A=3, H=5, is_box=False, m3ddpg=0.3, released=True)
    maddpg_update("ernie_maddpg", 18, N=3, O=3, S=4, A=3, H=5, is_box=False, smooth=True)
    maddpg_update("ernie_maddpg_box", 19, N=2, O=4, S=0, A=2, H=6, is_box=True, smooth=True)
    value_update("ernie_qmix", 20, "qmix", N=2, O=4, S=5, A=4, H=5, last_action=True, optimiser="rmsprop", is_double=True, max_norm=10,
                 target_every=7, smooth=True)
    maddpg_update("romax", 21, N=3, O=3, S=4, A=3, H=5, is_box=False, romax=(0.2, 0.4))
    maddpg_update("romax_box", 22, N=3, O=3, S=0, A=2, H=6, is_box=True, action_reg=0.1, bootstraps=True, romax=(0.1, 0.7))
    romq = dict(hidden=7, lr=3e-3, share=0.25)
    value_update("romq_vdn", 21, "vdn", N=3, O=5, S=0, A=4, H=6, last_action=True, optimiser="adam", is_double=True, max_norm=10, target_every=7,
                 romq=romq)
    maddpg_update("romq_maddpg", 24, N=3, O=5, S=7, A=4, H=6, is_box=False, romq=romq)
    maddpg_update("romq_maddpg_box", 26, N=2, O=4, S=0, A=3, H=7, is_box=True, action_reg=0.1, bootstraps=True, romq=romq)
