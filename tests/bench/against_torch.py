#!/usr/bin/env python3
"""Times PyTorch on the nets of `testudo bench net`, for comparison: acting at a few batch sizes, and learner steps.

    python tests/bench/against_torch.py [seconds per figure]

One thread, as fast as PyTorch goes on a CPU: run it with Debian's package under OPENBLAS_CORETYPE=SkylakeX and with PyPI's wheel,
and take the better one. Prints one JSON object; medians over the calls that fit into the time.
"""
import json
import os
import statistics
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
import torch  # noqa: E402  (reads the variables when it is loaded)
from torch import nn  # noqa: E402


def trunk(norm):
    layers, width = [nn.LayerNorm(64)] if norm else [], 64
    for _ in range(3):
        layers += [nn.Linear(width, 128), nn.ReLU()] + ([nn.LayerNorm(128)] if norm else [])
        width = 128
    return nn.Sequential(*layers, nn.Linear(128, 6))


def median_us(seconds, call):
    for _ in range(5):
        call()
    samples, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 5:
        begin = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(samples)


def acting(net, rows, seconds):
    x = torch.randn(rows, 64)

    def call():
        with torch.inference_mode():
            net(x)

    return median_us(seconds, call)


def learning(net, x, y, seconds):
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-5, eps=1e-5)

    def call():
        optimiser.zero_grad()
        out = net(x)
        out = out[0] if isinstance(out, tuple) else out
        ((out - y) ** 2).mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10)
        optimiser.step()

    return median_us(seconds, call)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.gru, self.head = nn.Linear(48, 64), nn.GRU(64, 64), nn.Linear(64, 9)

    def forward(self, x):
        return self.head(self.gru(torch.relu(self.first(x)))[0])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    torch.set_num_threads(1)
    figures = {"torch": torch.__version__, "load": os.getloadavg()[0]}
    for rows in (1, 20, 80, 128):
        figures[f"acting {rows} us"] = acting(trunk(False), rows, seconds)
    for rows in (4000, 16000):
        x, y = torch.randn(rows, 64), torch.randn(rows, 6)
        figures[f"mlp {rows} us"] = learning(trunk(False), x, y, seconds)
        figures[f"mlp LayerNorm {rows} us"] = learning(trunk(True), x, y, seconds)
    figures["gru 60x96 us"] = learning(Recurrent(), torch.randn(60, 96, 48), torch.randn(60, 96, 9), seconds)
    print(json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()}))


if __name__ == "__main__":
    main()
