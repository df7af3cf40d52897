#!/usr/bin/env python3
"""Golden numbers of whole networks, in double precision, from torchvision: replica_ARCH_CASE.txt.

usage: make_replica.py FOLDER      (needs torch and torchvision; the tests do not)

Weights, pixels and labels are the formulas below, repeated in tests/unit/replica/test_golden.c. There are two
cases of each network:

natural      224 x 224, 1000 classes. Logits and loss are smooth in the weights and are compared to 1e-4.
             Gradients are not: some of the millions of values that go into a relu lie so near zero, and some
             that compete in a pooling window so near each other, that rounding decides which pass, and from
             there on the gradients are other ones. PyTorch in single precision is itself percents away from
             PyTorch in double (resnet50 by 2 to 3 %, by memory layout and number of threads; vgg16 by 2e-6 or
             1e-3, by whether a deep relu turns). So the file has how far that is, and we may be twice as far;
             or, where PyTorch was lucky, as far as two turned relus take us.
conditioned  64 x 64, 10 classes, gradients to 1e-4: nothing is left for rounding to decide. Each output row
             of a layer's weights comes in 64 variants, all distributed as in the natural case, and gets the
             first one that leaves no input of the relu behind it within `margin` of zero, and the two largest
             values of no pooling window within `margin` of each other (of windows with a positive value: no
             gradient comes through the others). The file names the variants. A residual block's last scale is
             0.2 instead of 1, because random blocks of scale 1 make rounding grow three hundredfold from the
             first to the last. Margins, in deviations of the layer's relu inputs: resnet50 5e-4, vgg16 2e-4.
             Single precision moves relu inputs by up to 3.4e-5 and 1.3e-5; the script asserts that it is less
             than a tenth of the margin.

A file: a line of its settings; `float32` with the largest and the median difference of PyTorch's gradients in
single precision, relative to their lengths; in the conditioned case the variants, one character a row; the
logits in training and in evaluation; and for each parameter the length of its gradient and the gradient's
product with a vector of noise; for a running statistic, those of the value that the batch gives.
"""
import copy
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
N_VARIANTS = 64


def noise(n, key, first=0):
    """Values first .. first + n - 1 of a sequence in [-0.5, 0.5)."""
    x = (np.arange(first, first + n, dtype=np.uint64) * 2654435761 + key * 40503 + 12345).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x = (x * np.uint32(0x45D9F3B)).astype(np.uint32)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**32 - 0.5


def weight_row(shape, key, row, variant):
    fan_in = int(np.prod(shape[1:]))
    u = noise(fan_in, key + 10000 * variant, row * fan_in) * np.sqrt(12 * 2 / fan_in)
    return torch.from_numpy(u.astype(np.float32)).reshape(shape[1:])


def values(name, shape, key, variants, last_scale):
    """What test_golden.c gives the parameter of that index among the model's, rounded to single precision."""
    if len(shape) > 1:
        variants = variants or [0] * shape[0]
        return torch.stack([weight_row(shape, key, r, variant) for r, variant in enumerate(variants)])
    u = noise(shape[0], key)
    if name.endswith("running_mean"):
        u = 0.1 * u
    elif name.endswith("running_var"):
        u = 1 + 0.4 * u
    elif name.endswith("weight"):
        u = (1 + 0.2 * u) * (last_scale if "bn3" in name else 1)
    else:
        u = 0.2 * u
    return torch.from_numpy(u.astype(np.float32))


def parameters(net):
    """Name -> (index, tensor), statistics included."""
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    return {name: (key, tensor) for key, (name, tensor) in enumerate(state.items())}


def fill(net, variants, last_scale):
    for name, (key, tensor) in parameters(net).items():
        tensor.copy_(values(name, tensor.shape, key, variants.get(name), last_scale))


def images(batch, size):
    """Coloured squares of 8 x 8 pixels with noise on them: deep layers tell these apart, as they do pictures,
    and not noise alone."""
    grain = noise(batch * size * size * 3, 99).reshape(batch, size, size, 3)
    squares = noise(batch * (size // 8) ** 2 * 3, 98).reshape(batch, size // 8, size // 8, 3)
    squares = squares.repeat(8, 1).repeat(8, 2)
    pixels = ((0.25 * grain + 0.75 * squares + 0.5) * 256).astype(np.uint8)
    x = torch.from_numpy(pixels).double() / 255
    return ((x - torch.tensor(MEAN).double()) / torch.tensor(STD).double()).permute(0, 3, 1, 2).contiguous()


def margin_of(x, pool):
    """Per channel of relu input x: how far, in deviations, from a decision that rounding could turn."""
    least = x.abs().transpose(0, 1).flatten(1).amin(1)
    if pool:
        n, c, h, w = x.shape
        passed = F.relu(x).reshape(n * c, 1, h, w)
        windows = F.unfold(passed, pool.kernel_size, 1, pool.padding, pool.stride)
        first, second = windows.topk(2, dim=1).values.unbind(1)
        gap = torch.where(first > 0, first - second, torch.inf).reshape(n, c, -1)
        least = torch.minimum(least, gap.amin((0, 2)))
    return least / x.std()


class Decisions:
    """Follows a network's relus: calls visit(x, pool, weight layer, its input, norm or None, what is added)
    before each; pool: the max-pool that reads the relu, or None. A tensor that visit returns replaces x."""

    def __init__(self, net, visit):
        self.visit, self.handles = visit, []
        modules = list(net.named_modules())
        for (name, module), (_, after) in zip(modules, modules[1:] + [("", None)]):
            if "downsample" in name:
                continue
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                self.handles.append(module.register_forward_hook(self.after_layer))
            elif isinstance(module, torch.nn.BatchNorm2d):
                self.handles.append(module.register_forward_hook(self.after_norm))
            elif isinstance(module, torch.nn.ReLU):
                pool = after if isinstance(after, torch.nn.MaxPool2d) else None
                hook = lambda _, inputs, pool=pool: self.before_relu(inputs[0], pool)
                self.handles.append(module.register_forward_pre_hook(hook))

    def after_layer(self, module, inputs, out):
        self.layer, self.input, self.norm, self.out = module, inputs[0], None, out.clone()

    def after_norm(self, module, _, out):
        self.norm, self.out = module, out.clone()  # a residual is added in place

    def before_relu(self, x, pool):
        return self.visit(x, pool, self.layer, self.input, self.norm, x - self.out)

    def remove(self):
        for handle in self.handles:
            handle.remove()


def rows_of(layer, x, norm, weight, rows):
    """Channels `rows` of layer and norm, with other weights."""
    bias = None if layer.bias is None else layer.bias[rows]
    if isinstance(layer, torch.nn.Linear):
        return F.linear(x, weight, bias)
    x = F.conv2d(x, weight, bias, layer.stride, layer.padding)
    if norm is None:
        return x
    return F.batch_norm(x, None, None, norm.weight[rows], norm.bias[rows], training=True, eps=norm.eps)


def choose_variants(net, x, margin):
    """Weight name -> variant of each row. Layer by layer, each on what the ones before give with theirs."""
    names = {id(m): f"{name}.weight" for name, m in net.named_modules()}
    chosen = {name: [0] * t.shape[0] for name, (_, t) in parameters(net).items() if t.dim() > 1}

    def visit(x, pool, layer, before, norm, added):
        name, x = names[id(layer)], x.clone()
        key, shape = parameters(net)[name][0], layer.weight.shape
        for variant in range(1, N_VARIANTS + 1):
            rows = (margin_of(x, pool) < margin).nonzero().flatten()
            if not len(rows):
                return x
            assert variant < N_VARIANTS, f"{name}: no variant of rows {rows.tolist()} will do"
            weight = torch.stack([weight_row(shape, key, r, variant) for r in rows.tolist()]).double()
            x[:, rows] = rows_of(layer, before, norm, weight, rows) + added[:, rows]
            for r in rows.tolist():
                chosen[name][r] = variant

    decisions = Decisions(net, visit)
    with torch.no_grad():
        net.train()(x)
    decisions.remove()
    return chosen


def step(net, x, labels):
    """Logits in training and in evaluation, loss, and name -> gradient, or statistic of the batch."""
    with torch.no_grad():
        evaluation = net.eval()(x)
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.momentum = 1.0  # the running statistics become the batch's
    logits = net.train()(x)
    loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
    loss.backward()
    grads = {name: p.grad for name, p in net.named_parameters()}
    found = {name: grads.get(name, value).detach().double().flatten().numpy()
             for name, (_, value) in parameters(net).items()}
    return logits.detach(), evaluation, loss.item(), found


def measures(found):
    """Length of each gradient, and its product with a vector of noise."""
    return {name: (np.linalg.norm(g), np.dot(g, noise(g.size, key + 1000)))
            for key, (name, g) in enumerate(found.items())}


def differences(ours, golden):
    """What test_golden.c asks of each gradient, statistics left out: relative to its length."""
    return [max(abs(ours[name][0] - length), abs(ours[name][1] - product)) / length
            for name, (length, product) in golden.items() if "running" not in name]


def relu_inputs(net, x):
    found = []
    decisions = Decisions(net, lambda x, pool, *_: found.append((x.clone(), margin_of(x, pool))))
    with torch.no_grad():
        net.train()(x)
    decisions.remove()
    return found


def check_conditioned(net, single, x, margin):
    """That single precision turns no decision, by far."""
    least, most = np.inf, 0
    for (double, margins), (float32, _) in zip(relu_inputs(net, x), relu_inputs(single, x.float())):
        moved = ((float32 - double).abs().max() / double.std()).item()
        least, most = min(least, margins.min().item()), max(most, moved)
    print(f"  least margin {least:.3g} deviations, single precision moves relu inputs by up to {most:.3g}")
    assert least >= 0.99 * margin and most < 0.1 * margin


def float32_differences(net, x, labels, golden):
    """Largest and median, each the larger of both memory layouts': they sum in other orders."""
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        ours = measures(step(copy.deepcopy(net), x.contiguous(memory_format=layout), labels)[3])
        apart = differences(ours, golden)
        found.append((max(apart), np.median(apart)))
    return np.max(found, axis=0)


def network(arch, classes):
    dropout = {"dropout": 0.0} if arch.startswith("vgg") else {}
    return torchvision.models.__dict__[arch](weights=None, num_classes=classes, **dropout).double()


def main(folder, arch, case, batch, size, classes, margin=None):
    print(arch, case)
    net, x, labels = network(arch, classes), images(batch, size), torch.arange(batch) * 3 + 1
    last_scale, variants = 1 if margin is None else 0.2, {}
    fill(net, variants, last_scale)
    if margin is not None:
        variants = choose_variants(net, x, margin)
        fill(net, variants, last_scale)
        check_conditioned(copy.deepcopy(net), copy.deepcopy(net).float(), x, margin)
    single = copy.deepcopy(net).float()
    logits, evaluation, loss, found = step(net, x, labels)
    golden = measures(found)
    most, median = float32_differences(single, x.float(), labels, golden)
    print(f"  float32 gradients differ by up to {most:.3g}, median {median:.3g}")
    with open(pathlib.Path(folder) / f"replica_{arch}_{case}.txt", "w") as f:
        print(arch, f"batch {batch} size {size} classes {classes} loss {loss:.10g}", file=f)
        print(f"float32 {most:.3g} {median:.3g}", file=f)
        for name, rows in variants.items():
            print(name, "".join(chr(ord("0") + v) for v in rows), file=f)
        for t in (logits, evaluation):
            print(*(f"{v:.8g}" for v in t.flatten().tolist()), file=f)
        for name, (length, product) in golden.items():
            print(name, f"{length:.10g} {product:.10g}", file=f)


if __name__ == "__main__":
    for arch in ("resnet50", "vgg16"):
        main(sys.argv[1], arch, "natural", 2, 224, 1000)
    main(sys.argv[1], "resnet50", "conditioned", 3, 64, 10, margin=5e-4)
    main(sys.argv[1], "vgg16", "conditioned", 2, 64, 10, margin=2e-4)
