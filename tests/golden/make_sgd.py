#!/usr/bin/env python3
"""Golden numbers for the optimizer from torch.optim.SGD in double precision: tests/golden/sgd.txt.

usage: make_sgd.py > sgd.txt      (needs torch; the tests do not)

Each case: `case NAME`, then rate, momentum, dampening, weight decay, nesterov and the number of steps, the first weights, and for
each step the gradients and the weights after it.
"""
import torch

CASES = {
    "plain": dict(lr=0.1),
    "decay": dict(lr=0.05, weight_decay=0.01),
    "momentum": dict(lr=0.1, momentum=0.9, weight_decay=1e-4),
    "dampening": dict(lr=0.1, momentum=0.9, dampening=0.3),
    "nesterov": dict(lr=0.02, momentum=0.8, nesterov=True),
    "nesterov-decay": dict(lr=0.1, momentum=0.9, weight_decay=0.005, nesterov=True),
}
STEPS, N = 4, 6


def line(tensor):
    return " ".join(f"{x:.17g}" for x in tensor.tolist())


for seed, (name, options) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    w = torch.randn(N).double().requires_grad_()
    optimizer = torch.optim.SGD([w], **options)
    group = optimizer.param_groups[0]
    print("case", name)
    print(group["lr"], group["momentum"], group["dampening"], group["weight_decay"], int(group["nesterov"]), STEPS)
    print(line(w.detach()))
    for _ in range(STEPS):
        w.grad = torch.randn(N).double()
        optimizer.step()
        print(line(w.grad))
        print(line(w.detach()))
