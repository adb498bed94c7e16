"""Losses and gradients of the numeric core in float64, computed by PyTorch: the independent reference of test_golden.c.

Run by hand after a change of meaning (pip install torch numpy; python3 tests/golden/net_golden.py). Writes net/*.json beside this file;
these are committed, so that tests need no Python. Inputs are rounded to float32 first, so that both sides start from equal numbers.
Layers are torch's own (GRUCell, layer_norm, huber_loss, Categorical, Adam): nothing is shared with the C code but the names.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
OUT = pathlib.Path(__file__).parent / "net"
RELU, TANH, ELU = 1, 2, 3
ACTIVATIONS = {RELU: torch.relu, TANH: torch.tanh, ELU: F.elu}


class Numbers:
    """Random numbers that float32 holds exactly."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape, scale=1.0):
        return torch.from_numpy((scale * self.rng.standard_normal(shape)).astype(np.float32).astype(np.float64))

    def uniform(self, low, high, *shape):
        return torch.from_numpy(self.rng.uniform(low, high, shape).astype(np.float32).astype(np.float64))

    def integers(self, high, *shape):
        return torch.from_numpy(self.rng.integers(0, high, shape))


def parameters(arch, numbers):
    """Names, shapes and order of common/net/net.h."""
    shapes, width, hidden = {}, arch["in"], arch["hidden"]

    def norm(name, size):
        shapes[name + ".gain"], shapes[name + ".bias"] = (1, size), (1, size)

    if arch["input_norm"]:
        norm("input_norm", width)
    for layer in range(arch["depth"]):
        shapes[f"trunk.{layer}.weight"], shapes[f"trunk.{layer}.bias"] = (width, hidden), (1, hidden)
        width = hidden
        if arch["layer_norm"]:
            norm(f"trunk.{layer}.norm", width)
    if arch["gru"]:
        shapes["gru.weight_x"], shapes["gru.weight_h"] = (width, 3 * hidden), (hidden, 3 * hidden)
        shapes["gru.bias_x"], shapes["gru.bias_h"] = (1, 3 * hidden), (1, 3 * hidden)
        if arch["gru"] == 1:
            norm("gru.norm", hidden)
        width = hidden
    shapes["head.weight"], shapes["head.bias"] = (width, arch["out"]), (1, arch["out"])
    if arch.get("log_std"):
        shapes["log_std"] = (1, arch["out"])
    made = {}
    for name, shape in shapes.items():
        scale = shape[0] ** -0.5 if "weight" in name else 0.2
        made[name] = numbers.normal(*shape, scale=scale) + (1.0 if name.endswith(".gain") else 0.0)
        made[name] = made[name].to(torch.float32).to(torch.float64).requires_grad_()
    return made


def layer_norm(p, name, x):
    gain = p[name + ".gain"]
    return F.layer_norm(x, (gain.shape[1],), gain[0], p[name + ".bias"][0], eps=1e-5)


def forward(arch, p, x, T=1, h=None, keep=None):
    if arch["input_norm"]:
        x = layer_norm(p, "input_norm", x)
    for layer in range(arch["depth"]):
        x = ACTIVATIONS[arch["activation"]](F.linear(x, p[f"trunk.{layer}.weight"].T, p[f"trunk.{layer}.bias"][0]))
        if arch["layer_norm"]:
            x = layer_norm(p, f"trunk.{layer}.norm", x)
    if arch["gru"]:
        steps, outputs = x.reshape(T, -1, x.shape[1]), []
        for t in range(T):
            h = torch.gru_cell(steps[t], h * keep[t][:, None], p["gru.weight_x"].T, p["gru.weight_h"].T, p["gru.bias_x"][0],
                               p["gru.bias_h"][0])
            outputs.append(h)
        x = torch.cat(outputs)
        if arch["gru"] == 1:
            x = layer_norm(p, "gru.norm", x)
    return F.linear(x, p["head.weight"].T, p["head.bias"][0])


def flat(x):
    return x.detach().reshape(-1).tolist()


def write(name, arch, inputs, p, x, loss, extra):
    loss.backward()
    OUT.mkdir(exist_ok=True)
    case = {
        "arch": arch,
        "inputs": {key: flat(value) if torch.is_tensor(value) else value for key, value in inputs.items()},
        "parameters": {key: flat(value) for key, value in p.items()},
        "loss": loss.item(),
        "extra": {key: value.item() for key, value in extra.items()},
        "gradients": {**{key: flat(value.grad) for key, value in p.items()}, "x": flat(x.grad)},
    }
    (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")


def arch_of(**values):
    return {"in": 7, "hidden": 16, "depth": 3, "out": 5, "activation": RELU, "input_norm": 1, "layer_norm": 1, "gru": 0, **values}


def ppo(name, seed, arch, rows=48, clip=0.2, entropy_coef=0.03):
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    available = (n.uniform(0, 1, rows, arch["out"]) < 0.75).to(torch.int64)
    action = n.integers(arch["out"], rows)
    available[torch.arange(rows), action] = 1
    active = (n.uniform(0, 1, rows) < 0.8).to(torch.float64)
    weight = (active / active.sum()).to(torch.float32).to(torch.float64)
    advantage, noise = n.normal(rows), n.normal(rows, scale=0.3)
    logits = torch.where(available.bool(), forward(arch, p, x), torch.tensor(-1e10))
    policy = torch.distributions.Categorical(logits=logits)
    log_p = policy.log_prob(action)
    old_logp = (log_p.detach() + noise).to(torch.float32).to(torch.float64)
    ratio = torch.exp(log_p - old_logp)
    surrogate = torch.min(ratio * advantage, torch.clamp(ratio, 1 - clip, 1 + clip) * advantage)
    policy_loss, entropy = -(weight * surrogate).sum(), (weight * policy.entropy()).sum()
    inputs = dict(rows=rows, x=x, available=available, action=action, weight=weight, advantage=advantage, old_logp=old_logp,
                  clip=clip, entropy_coef=entropy_coef)
    extra = dict(policy_loss=policy_loss, entropy=entropy, ratio_max=(ratio * (weight > 0)).max(),
                 clip_fraction=(weight * ((ratio - 1).abs() > clip)).sum())
    write(name, arch, inputs, p, x, policy_loss - entropy_coef * entropy, extra)


def gaussian_ppo(name, seed, arch, rows=48, clip=0.2, entropy_coef=0.03, low=-1.5, high=1.0):
    """The last deviation lies beyond its bound: it counts as clamped and has no gradient."""
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    p["log_std"].data[0, -1] = low - 1.0
    weight = (n.uniform(0, 1, rows) < 0.8).to(torch.float64)
    weight = (weight / weight.sum()).to(torch.float32).to(torch.float64)
    advantage, noise, drawn = n.normal(rows), n.normal(rows, scale=0.3), n.normal(rows, arch["out"])
    policy = torch.distributions.Normal(forward(arch, p, x), p["log_std"][0].clamp(low, high).exp())
    action = (policy.mean + policy.stddev * drawn).detach().to(torch.float32).to(torch.float64)
    log_p = policy.log_prob(action).sum(-1)
    old_logp = (log_p.detach() + noise).to(torch.float32).to(torch.float64)
    ratio = torch.exp(log_p - old_logp)
    surrogate = torch.min(ratio * advantage, torch.clamp(ratio, 1 - clip, 1 + clip) * advantage)
    policy_loss, entropy = -(weight * surrogate).sum(), (weight * policy.entropy().sum(-1)).sum()
    inputs = dict(rows=rows, x=x, action=action, weight=weight, advantage=advantage, old_logp=old_logp, clip=clip,
                  entropy_coef=entropy_coef, log_std_min=low, log_std_max=high)
    extra = dict(policy_loss=policy_loss, entropy=entropy, clip_fraction=(weight * ((ratio - 1).abs() > clip)).sum())
    write(name, arch, inputs, p, x, policy_loss - entropy_coef * entropy, extra)


def components(x, choices):
    return torch.split(x, choices, -1)


def likelihood_choices(name, seed, arch, choices, rows=40):
    """The information estimator's fit on choices: cross-entropy of independent categoricals."""
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    label = torch.stack([n.integers(c, rows) for c in choices], -1)
    weight = n.uniform(0, 0.1, rows)
    parts = components(forward(arch, p, x), choices)
    loss = sum((weight * F.cross_entropy(part, label[:, g], reduction="none")).sum() for g, part in enumerate(parts))
    write(name, arch, dict(rows=rows, x=x, label=label, weight=weight, choices=torch.tensor(choices)), p, x, loss, {})


def likelihood_box(name, seed, arch, rows=40):
    """The same on boxes: twice the negative log-likelihood of a Gaussian without its constant, log-variance through a tanh."""
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    D = arch["out"] // 2
    y, weight = n.normal(rows, D), n.uniform(0, 0.1, rows)
    mean, logvar = forward(arch, p, x).split(D, -1)
    policy = torch.distributions.Normal(mean, (torch.tanh(logvar) / 2).exp())
    loss = (weight * (-2 * policy.log_prob(y) - np.log(2 * np.pi)).sum(-1)).sum()
    write(name, arch, dict(rows=rows, x=x, y=y, weight=weight), p, x, loss, {})


def smoothness(name, seed, arch, choices, rows=32, scale=0.3):
    """KL of the policy at x from the policy at a nearby, fixed x'; gradients reach the parameters through both."""
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    nearby = (x.detach() + n.normal(rows, arch["in"], scale=scale)).to(torch.float32).to(torch.float64)
    available = (n.uniform(0, 1, rows, arch["out"]) < 0.8).to(torch.int64)
    for start in np.cumsum([0] + choices[:-1]):
        available[:, start] = 1
    weight = n.uniform(0, 0.1, rows)

    def policies(input):
        masked = torch.where(available.bool(), forward(arch, p, input), torch.tensor(-1e10))
        return [torch.distributions.Categorical(logits=part) for part in components(masked, choices)]

    loss = sum((weight * torch.distributions.kl_divergence(a, b)).sum() for a, b in zip(policies(x), policies(nearby)))
    write(name, arch, dict(rows=rows, x=x, nearby=nearby, available=available, weight=weight, choices=torch.tensor(choices)), p, x,
          loss, {})


def smoothness_term(name, seed, arch, choices, distance, rows=32, scale=0.3, coef=0.7):
    """ERNIE's term for a fixed nearby input, and the gradient by which the search for that input ascends (the net held)."""
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"])
    nearby = (x + n.normal(rows, arch["in"], scale=scale)).to(torch.float32).to(torch.float64).requires_grad_()
    available = (n.uniform(0, 1, rows, arch["out"]) < 0.8).to(torch.int64)
    for start in np.cumsum([0] + choices[:-1]):
        available[:, start] = 1
    weight = n.uniform(0, 0.1, rows)

    def apart():
        a, b = forward(arch, p, x), forward(arch, p, nearby)
        if distance == "box":
            deviation = p["log_std"][0].detach().exp()
            kl = torch.distributions.kl_divergence
            normal = torch.distributions.Normal
            return kl(normal(a, deviation), normal(b, deviation)).sum(-1)
        if distance == "values":
            return 0.5 * (torch.where(available.bool(), a - b, torch.zeros_like(a)) ** 2).sum(-1)
        a, b = (components(torch.where(available.bool(), z, torch.tensor(-1e10)), choices) for z in (a, b))
        pairs = [(torch.distributions.Categorical(logits=u), torch.distributions.Categorical(logits=v)) for u, v in zip(a, b)]
        return sum(torch.distributions.kl_divergence(u, v) for u, v in pairs)

    (ascent,) = torch.autograd.grad(apart().sum(), nearby)
    loss = (weight * apart()).sum()
    (coef * loss).backward()
    gradients = {key: flat(w.grad) for key, w in p.items() if w.grad is not None}
    case = dict(arch=arch, rows=rows, coef=coef, choices=choices, distance=distance, x=flat(x), nearby=flat(nearby),
                available=flat(available), weight=flat(weight), parameters={key: flat(w) for key, w in p.items()}, term=loss.item(),
                ascent=flat(ascent), gradients=gradients)
    (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")


def value(name, seed, arch, rows=40, clip=0.05, delta=0.6):
    n = Numbers(seed)
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    weight = torch.full((rows,), 1 / rows).to(torch.float32).to(torch.float64)
    v = forward(arch, p, x)[:, 0]
    old_value = (v.detach() + n.normal(rows, scale=0.08)).to(torch.float32).to(torch.float64)
    target = n.normal(rows)
    near = old_value + torch.clamp(v - old_value, -clip, clip)
    free = F.huber_loss(v, target, reduction="none", delta=delta)
    clipped = F.huber_loss(near, target, reduction="none", delta=delta)
    inputs = dict(rows=rows, x=x, weight=weight, old_value=old_value, target=target, clip=clip, huber_delta=delta)
    write(name, arch, inputs, p, x, (weight * torch.max(free, clipped)).sum(), {})


def belief(name, seed, arch, T=10, B=6):
    n = Numbers(seed)
    rows = T * B
    p, x = parameters(arch, n), n.normal(rows, arch["in"]).requires_grad_()
    h0, keep = n.normal(B, arch["hidden"], scale=0.5), (n.uniform(0, 1, T, B) < 0.85).to(torch.float64)
    target = (n.uniform(0, 1, rows, arch["out"]) < 0.3).to(torch.float64)
    weight = torch.full((rows,), 1 / rows).to(torch.float32).to(torch.float64)
    prediction = torch.sigmoid(forward(arch, p, x, T, h0, keep))
    bce = F.binary_cross_entropy(prediction, target, reduction="none").mean(1)
    inputs = dict(rows=rows, T=T, B=B, x=x, h0=h0, keep=keep, target=target, weight=weight)
    write(name, arch, inputs, p, x, (weight * bce).sum(), {})


def adam(name, seed, count=60, steps=6, lr=3e-3, max_norm=2.0):
    n = Numbers(seed)
    w = n.normal(count).requires_grad_()
    gradients = [n.normal(count, scale=0.05 if s % 2 else 1.0) for s in range(steps)]
    start, optimiser, norms = flat(w), torch.optim.Adam([w], lr=lr, betas=(0.9, 0.999), eps=1e-5), []
    for g in gradients:
        w.grad = g.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([w], max_norm).item())
        optimiser.step()
    case = dict(count=count, steps=steps, lr=lr, max_norm=max_norm, start=start, gradients=[flat(g) for g in gradients], norms=norms,
                result=flat(w))
    (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")


def value_norm(name, seed, beta=0.99999, updates=8, count=25):
    n = Numbers(seed)
    mean, square, debias, seen = 0.0, 0.0, 0.0, []
    for u in range(updates):
        x = n.normal(count, scale=3.0 * u + 0.01) + 2.0 * u
        x = x.to(torch.float32).to(torch.float64)
        mean = beta * mean + (1 - beta) * x.mean().item()
        square = beta * square + (1 - beta) * (x**2).mean().item()
        debias = beta * debias + (1 - beta)
        m = mean / max(debias, 1e-5)
        std = max(square / max(debias, 1e-5) - m * m, 1e-2) ** 0.5
        seen.append(dict(x=flat(x), mean=m, std=std, normalised=flat((x - m) / std)))
    (OUT / f"{name}.json").write_text(json.dumps(dict(beta=beta, count=count, updates=seen)) + "\n")


if __name__ == "__main__":
    ppo("ppo_mlp_layer_norm", 1, arch_of())
    ppo("ppo_mlp_tanh", 2, arch_of(**{"in": 9}, depth=2, activation=TANH, input_norm=0, layer_norm=0))
    value("value_mlp_layer_norm", 3, arch_of(out=1))
    value("value_mlp_elu", 4, arch_of(out=1, depth=1, activation=ELU, layer_norm=0))
    belief("belief_gru", 5, arch_of(**{"in": 5}, hidden=12, out=4, gru=1))
    adam("adam", 6)
    value_norm("value_norm", 7)
    gaussian_ppo("ppo_gaussian", 8, arch_of(out=3, log_std=1))
    likelihood_choices("likelihood_choices", 9, arch_of(out=9, depth=1, input_norm=0, layer_norm=0), [4, 3, 2])
    likelihood_box("likelihood_box", 10, arch_of(out=6, depth=1, input_norm=0, layer_norm=0))
    smoothness("smoothness_kl", 11, arch_of(out=7, depth=2), [4, 3])
    smoothness_term("smoothness_choices", 12, arch_of(out=7, depth=2), [4, 3], "choices")
    smoothness_term("smoothness_box", 13, arch_of(out=3, depth=2, log_std=1), [3], "box")
    smoothness_term("smoothness_values", 14, arch_of(out=5, depth=1, layer_norm=0), [5], "values")
