"""Updates from episodes drawn by priority, in float64: the independent reference of tests/learner/test_priority_update.c.

Run by hand after a change of meaning (pip install torch numpy; python3 tests/golden/priority_golden.py). Writes learner/*.json beside
this file. Two updates of three optimiser steps each, while a ring of 7 takes in the same 6 episodes twice. What is drawn comes from rng.c's
definition and a linear scan over p^alpha in the order of places (number modulo 8); weights from (n P)^-beta as the paper writes it.
"""
import torch
import torch.nn.functional as F

from learner_golden import write
from net_golden import RELU, Numbers, flat, forward, parameters
from off_policy_golden import CHUNK, ENDS, T, Adversary, Stream, box_columns, clip, episodes_of, make_columns, qmix, values

RING, PLACES, BATCH, RATE, BETA, BETA_STEPS, ALPHA, EPS = 7, 8, 6, 0.5, 0.3, 100, 0.9, 1e-2


class Ring:
    def __init__(self):
        self.numbers, self.error, self.largest = [], {}, 1.0

    def add(self, number):
        self.numbers.append(number)
        self.error[number] = self.largest
        self.numbers = self.numbers[-RING:]

    def draw(self, stream, beta):
        """Numbers and weights; the longest first would not change a sum."""
        places = sorted(self.numbers, key=lambda number: number % PLACES)
        power = {number: (self.error[number] + EPS) ** ALPHA for number in places}
        total, drawn = sum(power.values()), []
        for i in range(BATCH):
            point, below = total * (i + stream.double()) / BATCH, 0.0
            for number in places:
                below += power[number]
                if point < below:
                    drawn.append(number)
                    break
        assert len(drawn) == BATCH
        weights = [(len(places) * power[number] / total) ** -beta for number in drawn]
        return drawn, [w / max(weights) for w in weights]

    def learned(self, errors):
        self.error.update(errors)
        self.largest = max([self.largest, *errors.values()])

    def saved(self):
        return [self.largest] + [self.error[number] for number in self.numbers]


def play(episodes, step, follow):
    """The run's two updates. step(numbered episodes, ages, weights, episode) does one optimiser step and returns errors and report."""
    ring, total, twice = Ring(), 0, 0
    for update in range(2):
        for _ in episodes:
            ring.add(total)
            total += 1
        reports, beta = [], BETA + (1 - BETA) * update * len(ENDS) * T / BETA_STEPS
        for episode in range(total - len(episodes) + 1, total + 1):
            if int(episode * RATE) > int((episode - 1) * RATE):
                drawn, weights = ring.draw(Stream(1, 8, episode, 0, 0), beta)
                errors, report = step([episodes[number % len(episodes)] for number in drawn], weights)
                twice += len(set(drawn)) < len(drawn)
                ring.learned(dict(zip(drawn, errors)))
                reports.append(report)
            follow(episode)
        report = {key: sum(r[key] for r in reports) / len(reports) for key in reports[0]}
        report.update((key, value) for key, value in reports[-1].items() if key.startswith("adversary/"))  # the last sample's stands
    assert twice, "no sample has an episode twice"
    return ring.saved(), {**report, "replay/beta": beta, "replay/weight": sum(weights) / len(weights)}


def words():
    return [f"rollout.lanes={len(ENDS)}", f"rollout.steps={T}", f"rollout.chunk={CHUNK}", f"replay.episodes={RING}", "replay.priority=proportional",
            f"replay.alpha={ALPHA}", f"replay.beta={BETA}", f"replay.beta_steps={BETA_STEPS}", f"replay.priority_eps={EPS}"]


def put(name, sizes, lanes, start, nets, live, moments, moment, priorities, report, recipe):
    write(name, dict(recipe=recipe + words(), **sizes, K=0, H=0, joint=True, moment=moment, norm=[0, 0, 0, 0], parameters=start,
                     lanes=[dict(episodes=len(ENDS[l]), columns={k: flat(v) for k, v in lane.items()}) for l, lane in enumerate(lanes)],
                     report=report, priorities=priorities, moments={key: {p: flat(moments(w)) for p, w in nets[key].items()} for key in live},
                     result={key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}))


def numbers_of(nets):
    return {key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}


def team_episodes(lanes):
    """With the team's reward [length]."""
    return [{**e, "reward": e["reward"].mean(-1)} for e in episodes_of(lanes)]


def live_of(team, adversary):
    return team + (adversary.live if adversary else [])


def value_updates(name, seed, N, O, S, A, H, romq=None):
    n, E, hyper, gamma, lr, every, max_norm = Numbers(seed), 4, 7, 0.95, 1e-3, 5, 0.5
    base = dict(activation=RELU, input_norm=0, layer_norm=0, gru=0)
    archs = {"defender": {**base, "in": O + A, "hidden": H, "depth": 1, "out": A, "gru": 2},
             "mixer/w1": {**base, "in": S, "hidden": hyper, "depth": 1, "out": N * E}, "mixer/b1": {**base, "in": S, "hidden": 1, "depth": 0, "out": E},
             "mixer/w2": {**base, "in": S, "hidden": hyper, "depth": 1, "out": E}, "mixer/v": {**base, "in": S, "hidden": E, "depth": 1, "out": 1}}
    nets, team = {prefix + key: parameters(archs[key], n) for prefix in ("", "target/") for key in archs}, list(archs)
    adversary = Adversary(archs, nets, n, O, A, False, gamma, True, romq) if romq else None
    start, lanes = numbers_of(nets), make_columns(n, N, O, S, A)
    live = [w for key in team for w in nets[key].values()]
    optimiser = torch.optim.RMSprop(live, lr=lr, alpha=0.9, eps=1e-3)

    def deltas(e):
        """Q_tot - y of each step, Q_tot, y."""
        q, late = (values(archs["defender"], nets[which], e, N, A, True) for which in ("defender", "target/defender"))
        greedy = q.detach().masked_fill(~e["available"], -9999999).argmax(-1)[1:]
        after = qmix(archs, nets, "target/", late[1:].gather(-1, greedy[..., None])[..., 0], e["state"][1:]).detach()
        if e["terminated"]:
            after[-1] = 0
        total, y = qmix(archs, nets, "", q[:-1].gather(-1, e["action"][..., None])[..., 0], e["state"][:-1]), e["reward"] + gamma * after
        return total - y, total.detach(), y

    def step(sample, weights):
        reported = {"adversary/loss": adversary.step(sample, weights)} if romq else {}
        optimiser.zero_grad()
        parts, steps = [deltas(e) for e in sample], sum(e["length"] for e in sample)
        loss = sum(w * (delta**2).sum() for w, (delta, _, _) in zip(weights, parts)) / steps
        loss.backward()
        size = clip(live, max_norm)
        optimiser.step()
        means = [sum(x.sum().item() for x in column) / steps for column in zip(*[(delta.abs(), total, y) for delta, total, y in parts])]
        report = {"q/loss": loss.item(), "q/norm": size.item(), "q/error": means[0], "q/chosen": means[1], "q/target": means[2], **reported}
        return [delta.abs().mean().item() for delta, _, _ in parts], report

    def follow(episode):
        for key in team if episode % every == 0 else ():
            for p, w in nets[key].items():
                nets["target/" + key][p].data.copy_(w.data)

    priorities, report = play(team_episodes(lanes), step, follow)
    put(name, dict(N=N, O=O, S=S, A=A), lanes, start, nets, live_of(team, adversary),
        lambda w: optimiser.state[w]["square_avg"] if w in optimiser.state else adversary.moment(w), "v", priorities, report,
        ["learner.algorithm=qmix", "act.behaviour=epsilon", f"act.recurrent={H}", "act.last_action=true", f"q.hidden={H}", f"q.batch={BATCH}",
         f"q.updates_per_episode={RATE}", f"q.lr={lr}", "q.alpha=0.9", "q.eps=1e-3", f"q.max_norm={max_norm}", f"q.gamma={gamma}",
         f"q.target_every={every}", f"qmix.embed={E}", f"qmix.hypernet={hyper}", *(adversary.recipe() if romq else [])])


def maddpg_updates(name, seed, N, O, S, A, H, romq=None):
    n, gamma, lr, share = Numbers(seed), 0.9, 1e-3, 0.25
    base = dict(activation=RELU, input_norm=0, layer_norm=0, hidden=H, depth=2, gru=0)
    archs = {"defender": {**base, "in": O, "out": A}, "critic": {**base, "in": S + N + N * A, "out": 1}}
    nets, team = {prefix + key: parameters(archs[key], n) for prefix in ("", "target/") for key in archs}, list(archs)
    adversary = Adversary(archs, nets, n, O, A, True, gamma, False, romq) if romq else None
    start, lanes = numbers_of(nets), make_columns(n, N, O, S, A)
    box_columns(n, lanes, N, A)
    optimisers = {key: torch.optim.Adam(nets[key].values(), lr=lr, eps=1e-3) for key in team}

    def act(prefix, e):
        return torch.tanh(values(archs["defender"], nets[prefix + "defender"], e, N, A, False))

    def q(prefix, state, actions):
        L = len(state)
        x = [torch.cat([state, F.one_hot(torch.tensor([i] * L), N), actions.reshape(L, N * A)], -1) for i in range(N)]
        return torch.stack([forward(archs["critic"], nets[prefix + "critic"], xi)[:, 0] for xi in x], -1)

    def descend(key, loss):
        optimisers[key].zero_grad()
        loss.backward()
        optimisers[key].step()

    def step(sample, weights):
        reported = {"adversary/loss": adversary.step(sample, weights)} if romq else {}
        steps, parts = sum(e["length"] for e in sample), []
        for e in sample:
            after = q("target/", e["state"][1:], act("target/", e)[1:]).detach()
            after[-1] = 0
            y, v = e["reward"][:, None] + gamma * after, q("", e["state"][:-1], e["action"])
            parts.append((v - y, v.detach(), y))
        critic = sum(w * 0.5 * (delta**2).sum() for w, (delta, _, _) in zip(weights, parts)) / (steps * N)
        descend("critic", critic)
        actor = 0.0
        for e in sample:
            fresh = act("", e)[:-1]
            for i in range(N):
                joint = torch.cat([e["action"][:, :i], fresh[:, i : i + 1], e["action"][:, i + 1 :]], 1)
                actor = actor - q("", e["state"][:-1], joint).sum() / (steps * N * N)
        descend("defender", actor)
        for key in team:
            for p, w in nets[key].items():
                nets["target/" + key][p].data.mul_(1 - share).add_(share * w.data)
        value, target = (sum(part[k].sum().item() for part in parts) / (steps * N) for k in (1, 2))
        report = {"maddpg/critic": critic.item(), "maddpg/actor": actor.item(), "maddpg/value": value, "maddpg/target": target, **reported}
        return [delta.abs().mean().item() for delta, _, _ in parts], report

    priorities, report = play(team_episodes(lanes), step, lambda episode: None)
    put(name, dict(N=N, O=O, S=S, A=A, box=True), lanes, start, nets, live_of(team, adversary),
        lambda w: next(o.state[w]["exp_avg"] for o in [*optimisers.values(), *(adversary.optimisers if adversary else {}).values()] if w in o.state), "m", priorities, report,
        ["learner.algorithm=maddpg", "act.behaviour=tanh", f"maddpg.hidden={H}", f"maddpg.batch={BATCH}", f"maddpg.updates_per_episode={RATE}",
         f"maddpg.lr={lr}", f"maddpg.critic_lr={lr}", "maddpg.eps=1e-3", "maddpg.max_norm=0", f"maddpg.gamma={gamma}", f"maddpg.target_share={share}",
         *(adversary.recipe() if romq else [])])


if __name__ == "__main__":
    value_updates("priority_qmix", 21, N=3, O=5, S=7, A=4, H=6)
    maddpg_updates("priority_maddpg", 22, N=2, O=4, S=6, A=3, H=7)
    romq = dict(hidden=7, lr=3e-3, share=0.25)
    value_updates("priority_romq_qmix", 23, N=2, O=4, S=5, A=3, H=5, romq=romq)
    maddpg_updates("priority_romq_maddpg_box", 24, N=2, O=4, S=6, A=3, H=7, romq=romq)
