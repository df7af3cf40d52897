#!/usr/bin/env python3
"""Writes schedule.txt: the learning rate of every step, as PyTorch's schedulers give it. One line a schedule:
name, then the rates. Needs torch; the tests only read the file."""
import pathlib

import torch
from torch.optim import lr_scheduler as lrs


def rates(steps, make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


def warm(optimizer, main):
    return lrs.SequentialLR(optimizer, [lrs.LinearLR(optimizer, start_factor=0.01, total_iters=5), main], milestones=[5])


cases = {
    "constant": lambda o: lrs.LinearLR(o, start_factor=0.25, total_iters=4),
    "step": lambda o: lrs.StepLR(o, step_size=3, gamma=0.5),
    "multistep": lambda o: lrs.MultiStepLR(o, milestones=[4, 9], gamma=0.1),
    "cosine": lambda o: warm(o, lrs.CosineAnnealingLR(o, T_max=15, eta_min=0.001)),
    "polynomial": lambda o: lrs.PolynomialLR(o, total_iters=20, power=2.0),
}
with open(pathlib.Path(__file__).with_name("schedule.txt"), "w") as file:
    for name, make in cases.items():
        print(name, *(f"{rate:.17g}" for rate in rates(20, make)), file=file)
