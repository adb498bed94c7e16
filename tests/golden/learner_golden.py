"""Returns and whole updates, plain and regularised, in float64: the independent reference of tests/learner/test_returns.c and test_ppo.c.

Run by hand after a change of meaning (pip install torch numpy; python3 tests/golden/learner_golden.py). Writes learner/*.json beside
this file; these are committed. Returns are computed from their definitions as sums over later steps, not by the recursion that
the C code uses; losses through autograd, layers and optimiser of PyTorch. Batches are made up: every number is one that float32 holds.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from net_golden import RELU, Numbers, flat, forward, parameters

OUT = pathlib.Path(__file__).parent / "learner"


def f32(x):
    return x.to(torch.float32).to(torch.float64)


def write(name, case):
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")


# ---- returns ----


def deltas(reward, value, final_value, terminated, truncated, gamma, weight):
    """weight * (r + gamma V_next - V), and V_next; all [L,T,N]."""
    term, trunc = terminated[..., None].bool(), truncated[..., None].bool()
    after = torch.where(term, torch.zeros_like(reward), torch.where(trunc, final_value, value[:, 1:]))
    return weight * (reward + gamma * after - value[:, :-1]), after


def gae(reward, value, final_value, terminated, truncated, gamma, lam):
    """A_t = sum over k >= t, up to the end of the episode, of (gamma lambda)^(k-t) delta_k."""
    delta, _ = deltas(reward, value, final_value, terminated, truncated, gamma, 1.0)
    adv = torch.zeros_like(reward)
    for l in range(reward.shape[0]):
        for t in range(reward.shape[1]):
            for k in range(t, reward.shape[1]):
                adv[l, t] += (gamma * lam) ** (k - t) * delta[l, k]
                if terminated[l, k] or truncated[l, k]:
                    break
    return adv, adv + value[:, :-1]


def vtrace(reward, value, final_value, terminated, truncated, ratio, gamma, lam, rho_bar, c_bar):
    """v_t = V_t + sum over k >= t of gamma^(k-t) (prod of c_i, t <= i < k) rho_k (r_k + gamma V_next - V_k)."""
    rho, c = ratio.clamp(max=rho_bar), lam * ratio.clamp(max=c_bar)
    delta, after = deltas(reward, value, final_value, terminated, truncated, gamma, rho)
    target, adv = value[:, :-1].clone(), torch.zeros_like(reward)
    for l in range(reward.shape[0]):
        for t in range(reward.shape[1]):
            trace = torch.ones(reward.shape[2])
            for k in range(t, reward.shape[1]):
                target[l, t] += trace * delta[l, k]
                if terminated[l, k] or truncated[l, k]:
                    break
                trace = trace * gamma * c[l, k]
    for l in range(reward.shape[0]):
        for t in range(reward.shape[1]):
            ends = terminated[l, t] or truncated[l, t] or t + 1 == reward.shape[1]
            next_target = after[l, t] if ends else target[l, t + 1]
            adv[l, t] = rho[l, t] * (reward[l, t] + gamma * next_target - value[l, t])
    return adv, target


def normalise(adv, counts):
    chosen = adv[counts]
    return (adv - chosen.mean()) / (((chosen - chosen.mean()) ** 2).mean().sqrt() + 1e-5)


def returns(seed, B=4, T=25, N=3, gamma=0.97, lam=0.9, rho_bar=1.1, c_bar=0.9):
    n = Numbers(seed)
    reward, value, final_value = n.normal(B, T, N), n.normal(B, T + 1, N), n.normal(B, T, N)
    end = n.uniform(0, 1, B, T)
    terminated, truncated = (end < 0.08).to(torch.int64), ((end > 0.9) & (end >= 0.08)).to(torch.int64)
    terminated[0, T - 1], truncated[0, T - 1], truncated[1, T - 1], terminated[1, T - 1] = 1, 0, 1, 0
    terminated[2], truncated[2] = 0, 0
    ratio, counts = n.uniform(0.3, 2.0, B, T, N), n.uniform(0, 1, B, T, N) < 0.7
    adv, target = gae(reward, value, final_value, terminated, truncated, gamma, lam)
    v_adv, v_target = vtrace(reward, value, final_value, terminated, truncated, ratio, gamma, lam, rho_bar, c_bar)
    write("returns", dict(B=B, T=T, N=N, gamma=gamma, **{"lambda": lam}, rho_bar=rho_bar, c_bar=c_bar, reward=flat(reward),
                          value=flat(value), final_value=flat(final_value), terminated=flat(terminated), truncated=flat(truncated),
                          ratio=flat(ratio), counts=flat(counts.to(torch.int64)), gae_adv=flat(adv), gae_target=flat(target),
                          vtrace_adv=flat(v_adv), vtrace_target=flat(v_target), normalised=flat(normalise(f32(adv), counts)),
                          gae_adv32=flat(f32(adv))))


# ---- whole updates ----

ENDS = [{2: "truncated", 5: "terminated"}, {}, {0: "terminated", 3: "truncated"}]  # of each lane, by step
START = [0, 4, 9]  # episode_step of the first step
T, CHUNK = 6, 3
SETTINGS = dict(gamma=0.95, lam=0.9, clip=0.1, value_clip=0.3, huber=0.6, entropy=0.03, lr=2e-3, beta=0.999, rho_bar=1.0, c_bar=0.9)


def make_columns(n, N, O, S, A, K, H):
    """Columns of all lanes side by side: {name: [lane's array, ...]}."""
    lanes = []
    for ends, start in zip(ENDS, START):
        c, E = {}, len(ends)
        c["observation"], c["knowledge"] = n.normal(T + 1, N, O), n.uniform(0.05, 0.95, T + 1, N, K)
        c["state"], c["belief_state"] = n.normal(T + 1, N, S), n.uniform(-0.9, 0.9, T // CHUNK, N, max(H, 1))
        available = (n.uniform(0, 1, T, N, A) < 0.8).to(torch.int64)
        c["intended"], c["action"] = n.integers(A, T, N), n.integers(A, T, N)
        adversary, slot, step, steps = 0, torch.zeros(T, N, dtype=torch.int64), start, []
        for t in range(T):
            if adversary < N:
                slot[t, adversary] = 1
            steps.append(step)
            step = 0 if t in ends else step + 1
            adversary = (adversary + 1) % (N + 1) if t in ends else adversary  # N: nobody
        c["action"] = torch.where(slot.bool(), c["action"], c["intended"])
        for t in range(T):
            for a in range(N):
                available[t, a, c["intended"][t, a]] = available[t, a, c["action"][t, a]] = 1
        alive = (n.uniform(0, 1, T, N) < 0.85).to(torch.int64)
        c["available"], c["alive"], c["slot"], c["reward"] = available, alive, slot, n.normal(T, N)
        c["terminated"] = torch.tensor([int(ends.get(t) == "terminated") for t in range(T)])
        c["truncated"] = torch.tensor([int(ends.get(t) == "truncated") for t in range(T)])
        c["episode_step"] = torch.tensor(steps)
        c["final_observation"], c["final_knowledge"], c["final_state"] = n.normal(E, N, O), n.uniform(0.05, 0.95, E, N, K), n.normal(E, N, S)
        lanes.append(c)
    return lanes


def stack(lanes, name):
    return torch.stack([lane[name] for lane in lanes])


def log_probs(logits, available):
    return F.log_softmax(torch.where(available.bool(), logits, torch.tensor(-1e10)), -1)


def policy_inputs(lanes, kind, N, K):
    """[L,T,N,I]: observation and knowledge, or observation and the one-hot index of the agent."""
    x = stack(lanes, "observation")[:, :T]
    if kind == "defender":
        return torch.cat([x, stack(lanes, "knowledge")[:, :T]], -1)
    ids = torch.eye(N).expand(*x.shape[:2], N, N)
    return torch.cat([x, ids], -1) if K else x


def add_old_logp(n, lanes, nets, archs, N, K):
    """Near the present policies', so that some ratios are clipped and some are not."""
    for kind, name, taken in (("defender", "intended_logp", "intended"), ("adversary", "action_logp", "action")):
        logits = forward(archs[kind], nets[kind], policy_inputs(lanes, kind, N, K)) if kind in nets else torch.zeros(stack(lanes, "available").shape)
        logp = log_probs(logits, stack(lanes, "available")).gather(-1, stack(lanes, taken)[..., None])[..., 0].detach()
        noisy = f32(torch.clamp(logp + n.normal(*logp.shape, scale=0.15), max=0.0))
        for l, lane in enumerate(lanes):
            lane[name] = noisy[l]


def critic_input(lanes, which, joint):
    return torch.cat([stack(lanes, "state" if joint else "observation"), stack(lanes, "knowledge")], -1)


def clipped(net, max_norm):
    grads = [p.grad for p in net.values()]
    norm = torch.sqrt(sum((g**2).sum() for g in grads))
    if max_norm > 0 and norm > max_norm:
        for g in grads:
            g *= max_norm / norm
    return norm.item()


def step(net, loss, lr, max_norm, optimisers, name):
    optimiser = optimisers.setdefault(name, torch.optim.Adam(net.values(), lr=lr, betas=(0.9, 0.999), eps=1e-5))
    optimiser.zero_grad()
    loss.backward()
    norm = clipped(net, max_norm)
    optimiser.step()
    return norm


def ppo_loss(logits, available, taken, old, adv, s):
    log_p = log_probs(logits, available)
    chosen = log_p.gather(-1, taken[..., None])[..., 0]
    ratio = torch.exp(chosen - old)
    surrogate = torch.min(ratio * adv, ratio.clamp(1 - s["clip"], 1 + s["clip"]) * adv)
    entropy = -(log_p.exp() * torch.where(log_p > -1e9, log_p, torch.zeros_like(log_p))).sum(-1).mean()
    return -surrogate.mean(), entropy


# ---- draws, as common/base/rng.c names them ----

MASK, RNG_NOISE, RNG_BATCH = (1 << 64) - 1, 6, 8


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Stream:
    def __init__(self, seed, purpose, episode, step, agent):
        self.key, self.count = mix(mix(mix(seed ^ (purpose << 56)) ^ episode) ^ (step << 32 | agent)), 0

    def next(self):
        self.count += 1
        return mix(self.key ^ mix(self.count - 1))

    def below(self, n):
        while True:
            product = (self.next() >> 32) * n
            if product % 2**32 >= 2**32 % n:
                return product >> 32

    def double(self):
        return (self.next() >> 11) * 2.0**-53

    def normal(self):
        u, angle = 1.0 - self.double(), 6.283185307179586 * self.double()
        return (-2.0 * np.log(u)) ** 0.5 * np.cos(angle)


# ---- ERNIE: the policy's change at inputs that one ascent found ----

SMOOTH = dict(weight=0.3, radius=0.2, step=0.15, noise=0.05)


def divergence(arch, net, x, nearby, available):
    p, q = log_probs(forward(arch, net, x), available), log_probs(forward(arch, net, nearby), available)
    return (p.exp() * (p - q)).sum(-1)


def ascend(arch, net, x, available, rows, seed, epoch):
    """x' of each row; rounded where the C code's floats are, so that the corners of the ball agree."""
    start = x.clone()
    for i, row in enumerate(rows):
        draw = Stream(seed, RNG_NOISE, 0, epoch, row)
        start[i] += f32(torch.tensor([SMOOTH["noise"] * draw.normal() for _ in range(x.shape[1])]))
    start = f32(start).requires_grad_()
    held = {name: w.detach() for name, w in net.items()}
    (slope,) = torch.autograd.grad(divergence(arch, held, x, start, available).sum(), start)
    delta = (start.detach() - x + SMOOTH["step"] * slope.sign()).clamp(-SMOOTH["radius"], SMOOTH["radius"])
    return f32(x + delta)


# ---- MIR3: the estimator's step, its bound, and the rewards it leaves ----

MI = {"lambda": 0.05, "lr": 2e-3, "rows": 16}


def choices_that_count(lanes, A, masks):
    """[L,T,N,A]: without masks everything; else what is available to the living, of the dead what they did."""
    own = F.one_hot(stack(lanes, "action"), A).bool()
    if not masks:
        return torch.ones_like(own)
    available = stack(lanes, "available").bool()
    return own | (available & stack(lanes, "alive").bool()[..., None] & (available & own).any(-1, keepdim=True))


def log_q_of(arch, net, x, mask):
    return F.log_softmax(forward(arch, net, x).reshape(mask.shape).masked_fill(~mask, -1e10), -1)


def shape_rewards(lanes, net, arch, N, A, seed, optimisers, report, masks):
    x, label, mask = stack(lanes, "state")[:, :T, 0], stack(lanes, "action"), choices_that_count(lanes, A, masks)
    draw, L = Stream(seed, RNG_BATCH, 0, 0, 0), len(lanes)
    ring = [(l, t) for t in range(T) for l in range(L)]  # time first
    drawn = [ring[draw.below(len(ring))] for _ in range(MI["rows"])]
    pick = lambda of: torch.stack([of[l, t] for l, t in drawn])
    loss = -log_q_of(arch, net, pick(x), pick(mask)).gather(-1, pick(label)[..., None]).sum() / MI["rows"]
    report["mi/nll"] = loss.item()
    step(net, loss, MI["lr"], 0, optimisers, "mi/action")
    rows, labels, mask = x.reshape(L * T, -1), label.reshape(L * T, N), mask.reshape(L * T, N, A)
    log_q = log_q_of(arch, net, rows, mask).detach()
    information = torch.zeros(L * T)
    for i in range(L * T):
        for n in range(N):
            negatives = [log_q[i, n, k] for k in labels[:, n] if mask[i, n, k]]
            information[i] += log_q[i, n, labels[i, n]] - sum(negatives) / len(negatives)
    information = information.reshape(L, T)
    mean, per_lane = information.mean(), information.sum(1)
    half = 4.303 * ((per_lane - T * mean) ** 2).sum().mul(L / (L - 1)).sqrt() / (L * T)  # Student's t with 2 degrees of freedom
    report.update({"mi/mean": mean.item(), "mi/low": (mean - half).item(), "mi/high": (mean + half).item(),
                   "mi/min": information.min().item(), "mi/max": information.max().item(),
                   "mi/share": (MI["lambda"] * mean.abs() / stack(lanes, "reward").abs().mean()).item()})
    for l, lane in enumerate(lanes):
        lane["reward"] = lane["reward"] - MI["lambda"] * information[l][:, None]


class Norm:
    def __init__(self, numbers):
        self.mean, self.square, self.debias, self.beta = numbers

    def moments(self):
        d = max(self.debias, 1e-5)
        m = self.mean / d
        return m, max(self.square / d - m * m, 1e-2) ** 0.5

    def update(self, x):
        b = self.beta
        self.mean, self.square = b * self.mean + (1 - b) * x.mean().item(), b * self.square + (1 - b) * (x**2).mean().item()
        self.debias = b * self.debias + (1 - b)

    def numbers(self):
        return [self.mean, self.square, self.debias, self.beta]


def train_policy(kind, nets, archs, lanes, adv, mask, N, K, s, max_norm, epochs, optimisers, report, prefix, smooth=False):
    taken, old = ("intended", "intended_logp") if kind == "defender" else ("action", "action_logp")
    x, sign = policy_inputs(lanes, kind, N, K)[mask], 1 if kind == "defender" else -1
    rows, available = mask.reshape(-1).nonzero()[:, 0].tolist(), stack(lanes, "available")[mask]
    for epoch in range(epochs):
        nearby = ascend(archs[kind], nets[kind], x, available, rows, SEED, epoch) if smooth else None
        loss, entropy = ppo_loss(forward(archs[kind], nets[kind], x), stack(lanes, "available")[mask], stack(lanes, taken)[mask],
                                 stack(lanes, old)[mask], sign * adv[mask], s)
        whole = loss - s["entropy"] * entropy
        if smooth:
            term = divergence(archs[kind], nets[kind], x, nearby, available).mean()
            whole, report["smoothness"] = whole + SMOOTH["weight"] * term, term.item()
        report[prefix + "norm"] = step(nets[kind], whole, s["lr"], max_norm, optimisers, kind)
        report[prefix + "loss"], report[prefix + "entropy"] = loss.item(), entropy.item()


def train_critic(net, arch, x, old, target, norm, s, max_norm, epochs, optimisers, report):
    for _ in range(epochs):
        norm.update(target)
        mean, std = norm.moments()
        goal, v = (target - mean) / std, forward(arch, net, x)[..., 0]
        near = old + (v - old).clamp(-s["value_clip"], s["value_clip"])
        loss = torch.max(F.huber_loss(v, goal, reduction="none", delta=s["huber"]),
                         F.huber_loss(near, goal, reduction="none", delta=s["huber"])).mean()
        step(net, loss, s["lr"], max_norm, optimisers, "critic")
        report["critic/loss"] = loss.item()


def train_belief(net, arch, lanes, N, H, s, max_norm, epochs, optimisers, report):
    x, theta = stack(lanes, "observation")[:, :T], stack(lanes, "slot").to(torch.float64)
    keep = (stack(lanes, "episode_step") != 0).to(torch.float64)
    for _ in range(epochs):
        total = 0.0
        for l in range(len(lanes)):
            for c in range(T // CHUNK):
                part = slice(c * CHUNK, (c + 1) * CHUNK)
                rows = x[l, part].reshape(CHUNK * N, -1)
                p = torch.sigmoid(forward(arch, net, rows, CHUNK, lanes[l]["belief_state"][c], keep[l, part][:, None].expand(CHUNK, N)))
                goal = theta[l, part][:, None, :].expand(CHUNK, N, N).reshape(CHUNK * N, N)
                total = total + F.binary_cross_entropy(p, goal, reduction="sum")
        loss = total / (len(lanes) * T * N * N)
        step(net, loss, s["lr"], max_norm, optimisers, "belief")
        report["belief/loss"] = loss.item()


def evaluate(lanes, nets, archs, norm, N, K, joint, is_async, s):
    """Normalised values, value targets and advantages of the batch."""
    mean, std = norm.moments()
    v = forward(archs["critic"], nets["critic"], critic_input(lanes, None, joint))[..., 0].detach()
    value, final = v * std + mean, torch.zeros(len(lanes), T, N)
    for l, lane in enumerate(lanes):
        for e, t in enumerate(sorted(ENDS[l])):
            x = torch.cat([lane["final_state" if joint else "final_observation"][e], lane["final_knowledge"][e]], -1)
            final[l, t] = forward(archs["critic"], nets["critic"], x)[..., 0].detach() * std + mean
    parts = [stack(lanes, "reward"), value, final, stack(lanes, "terminated"), stack(lanes, "truncated")]
    alive, slot = stack(lanes, "alive").bool(), stack(lanes, "slot").bool()
    if not is_async:
        adv, target = gae(*parts, s["gamma"], s["lam"])
    else:
        logits = forward(archs["defender"], nets["defender"], policy_inputs(lanes, "defender", N, K))
        now = log_probs(logits, stack(lanes, "available")).gather(-1, stack(lanes, "intended")[..., None])[..., 0].detach()
        ratio = torch.where(alive & ~slot, torch.exp(now - stack(lanes, "intended_logp")), torch.ones_like(now))
        adv, target = vtrace(*parts, ratio, s["gamma"], s["lam"], s["rho_bar"], s["c_bar"])
        adv = adv / ratio.clamp(max=s["rho_bar"]).clamp(min=1e-3)  # the surrogate brings the ratio itself
    return v[:, :T], target, normalise(adv, alive & ~slot), alive & ~slot, alive & slot


SEED = 1


def update(name, seed, N, O, S, A, K, H, algorithm, joint, is_async, epochs, max_norm, regulariser=None, masks=False):
    n, s = Numbers(seed), SETTINGS
    base = dict(hidden=8, depth=2, activation=RELU, input_norm=1, layer_norm=1, gru=0)
    archs = dict(defender={**base, "in": O + K, "out": A}, critic={**base, "in": (S if joint else O) + K, "out": 1})
    if algorithm == "eir-mappo":
        archs["adversary"] = {**base, "in": O + (N if K else 0), "out": A}
        archs["belief"] = {**base, "in": O, "hidden": H, "depth": 1, "out": N, "gru": 1}
    if regulariser == "mi":
        archs["mi/action"] = {**base, "in": S, "out": N * A, "depth": 1, "input_norm": 0, "layer_norm": 0}
    nets = {key: parameters(arch, n) for key, arch in archs.items()}
    start = {key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}
    lanes = make_columns(n, N, O, S if joint else O, A, K, H)
    add_old_logp(n, lanes, nets, archs, N, K)
    norm = Norm([0.2, 0.9, 0.4, s["beta"]])
    begin, report, optimisers = norm.numbers(), {}, {}
    columns = [dict(lane) for lane in lanes]
    if regulariser == "mi":
        shape_rewards(lanes, nets["mi/action"], archs["mi/action"], N, A, SEED, optimisers, report, masks)
    old, target, adv, team, adversaries = evaluate(lanes, nets, archs, norm, N, K, joint, is_async, s)
    train_policy("defender", nets, archs, lanes, adv, team, N, K, s, max_norm, epochs, optimisers, report, "policy/",
                 regulariser == "smoothness")
    if "adversary" in nets:
        train_policy("adversary", nets, archs, lanes, adv, adversaries, N, K, s, max_norm, epochs, optimisers, report, "adversary/")
    x = critic_input(lanes, None, joint)[:, :T]
    train_critic(nets["critic"], archs["critic"], x, old, target, norm, s, max_norm, epochs, optimisers, report)
    if "belief" in nets:
        train_belief(nets["belief"], archs["belief"], lanes, N, H, s, max_norm, epochs, optimisers, report)

    left_out = ([] if joint else ["state", "final_state"]) + ([] if K else ["knowledge", "final_knowledge"]) + ([] if H else ["belief_state"])
    recipe = [f"learner.algorithm={algorithm}", f"run.mode={'async' if is_async else 'sync'}", f"rollout.lanes={len(lanes)}",
              f"rollout.steps={T}", f"rollout.chunk={CHUNK}", f"knowledge.kind={'belief' if K else 'none'}", f"belief.hidden={max(H, 1)}",
              "belief.depth=1", "learner.hidden=8", "learner.depth=2", f"learner.epochs={epochs}", f"learner.critic_epochs={epochs}",
              f"learner.lr={s['lr']}", f"learner.critic_lr={s['lr']}", f"learner.gamma={s['gamma']}", f"learner.lambda={s['lam']}",
              f"learner.clip={s['clip']}", f"learner.value_clip={s['value_clip']}", f"learner.huber_delta={s['huber']}",
              f"learner.entropy={s['entropy']}", f"learner.max_norm={max_norm}", f"learner.rho_bar={s['rho_bar']}",
              f"learner.c_bar={s['c_bar']}", "learner.block_rows=16", "eir.interval=1", f"eir.adversary_lr={s['lr']}",
              f"eir.belief_lr={s['lr']}", f"eir.adversary_entropy={s['entropy']}", f"eir.adversary_epochs={epochs}",
              f"eir.belief_epochs={epochs}"]
    if regulariser:
        recipe.append(f"run.seed={SEED}")
    if regulariser == "mi":
        recipe += [f"mi.lambda={MI['lambda']}", f"mi.lr={MI['lr']}", f"mi.fit_rows={MI['rows']}", "mi.hidden=8",
                   f"mi.masks={'true' if masks else 'false'}"]
    if regulariser == "smoothness":
        recipe += [f"smoothness.{key}={value}" for key, value in SMOOTH.items()]
    moments = {key: {p: flat(optimisers[key].state[w]["exp_avg"]) for p, w in net.items()} for key, net in nets.items()}
    write(name, dict(recipe=recipe, N=N, O=O, S=S if joint else O, A=A, K=K, H=H, joint=joint,
                     lanes=[dict(episodes=len(ENDS[l]), columns={k: flat(v) for k, v in lane.items() if k not in left_out})
                            for l, lane in enumerate(columns)],
                     parameters=start, norm=begin, report=report, moments=moments,
                     result={key: {p: flat(w) for p, w in net.items()} for key, net in nets.items()}, norm_result=norm.numbers()))


if __name__ == "__main__":
    returns(1)
    update("eir_one_epoch", 2, N=3, O=5, S=0, A=4, K=3, H=6, algorithm="eir-mappo", joint=False, is_async=False, epochs=1, max_norm=10)
    update("eir_three_epochs", 3, N=2, O=6, S=0, A=3, K=2, H=5, algorithm="eir-mappo", joint=False, is_async=False, epochs=3, max_norm=0.3)
    update("mappo_async", 4, N=3, O=5, S=7, A=4, K=0, H=0, algorithm="mappo", joint=True, is_async=True, epochs=1, max_norm=0.2)
    update("mir3_mappo", 5, N=3, O=5, S=7, A=4, K=0, H=0, algorithm="mappo", joint=True, is_async=False, epochs=1, max_norm=10,
           regulariser="mi")
    update("mir3_mappo_masks", 5, N=3, O=5, S=7, A=4, K=0, H=0, algorithm="mappo", joint=True, is_async=False, epochs=1, max_norm=10,
           regulariser="mi", masks=True)
    update("ernie_mappo", 6, N=3, O=5, S=7, A=4, K=0, H=0, algorithm="mappo", joint=True, is_async=False, epochs=1, max_norm=10,
           regulariser="smoothness")
