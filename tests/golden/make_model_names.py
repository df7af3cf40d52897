#!/usr/bin/env python3
"""What PyTorch and torchvision say about the networks of the zoo, as small text files beside this script.

model_zoo.txt     arch h w c classes tensors learnable macs crc32c   the checksum is over lines "name d0xd1x...\n" of the
                  state_dict without num_batches_tracked
model_names.txt   arch name dims                 those lines themselves for a few networks
model_shapes.txt  arch h w c module HxWxC        outputs of the modules for odd inputs
model_init.txt    arch parameter mean std        of torchvision's own initialisation
pool_extents.txt  in kernel stride padding ceil out              0: PyTorch refuses
conv_extents.txt  in kernel stride padding dilation out          0: PyTorch refuses
Needs torch and torchvision; the files are committed, so the tests do not.
"""
import pathlib
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

HERE = pathlib.Path(__file__).parent
IMAGENET = "resnet18 resnet34 resnet50 resnet101 resnet152 vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn".split()
CIFAR = [8, 20, 32, 44, 56, 110]


class CifarResNet(ResNet):
    """He et al. 2015, section 4.2, out of torchvision's blocks (so with projection shortcuts)."""

    def __init__(self, depth, channels, classes):
        n = (depth - 2) // 6
        super().__init__(BasicBlock, [n, n, n, n], num_classes=classes)
        self.inplanes = 16
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.Identity()
        self.layer1 = self._make_layer(BasicBlock, 16, n)
        self.layer2 = self._make_layer(BasicBlock, 32, n, stride=2)
        self.layer3 = self._make_layer(BasicBlock, 64, n, stride=2)
        self.layer4 = nn.Sequential()
        self.fc = nn.Linear(64, classes)


def build(arch, channels, classes):
    depth = arch.removeprefix("resnet")
    if depth.isdigit() and int(depth) in CIFAR:
        return CifarResNet(int(depth), channels, classes)
    net = getattr(torchvision.models, arch)(num_classes=classes)
    if channels != 3:
        net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return net


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def names(net):
    return [f"{name} {'x'.join(map(str, value.shape))}" for name, value in net.state_dict().items()
            if not name.endswith("num_batches_tracked")]


def outputs(net, h, w, c):
    """(module, output shape, multiply-adds) of each module that runs once, in execution order."""
    seen = []

    def hook(name):
        def record(module, _, out):
            macs = 0
            if isinstance(module, nn.Conv2d):
                macs = module.weight.numel() * out.shape[2] * out.shape[3]
            elif isinstance(module, nn.Linear):
                macs = module.weight.numel()
            shape = out.shape[2:] + out.shape[1:2] if out.dim() == 4 else (1, 1, out.shape[1])
            seen.append((name, tuple(shape), macs))
        return record

    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Linear)):
            module.register_forward_hook(hook(name))
    net.eval()(torch.empty(1, c, h, w, device="meta"))
    return seen


def zoo_lines():
    cases = [(arch, 224, 224, 3, 1000) for arch in IMAGENET]
    cases += [(f"resnet{depth}", 32, 32, 3, 10) for depth in CIFAR] + [("resnet20", 28, 28, 1, 10), ("resnet18", 64, 64, 1, 7)]
    for arch, h, w, c, classes in cases:
        with torch.device("meta"):
            net = build(arch, c, classes)
        listing = names(net)
        crc = crc32c("".join(line + "\n" for line in listing).encode())
        learnable = sum(p.numel() for p in net.parameters())
        macs = sum(m for _, _, m in outputs(net, h, w, c))
        yield f"{arch} {h} {w} {c} {classes} {len(listing)} {learnable} {macs} {crc:08x}"


def name_lines():
    for arch, classes in (("resnet18", 1000), ("resnet50", 1000), ("resnet20", 10), ("vgg11_bn", 1000)):
        with torch.device("meta"):
            net = build(arch, 3, classes)
        for line in names(net):
            yield f"{arch} {line}"


def shape_lines():
    for arch, h, w, c in (("resnet18", 97, 65, 3), ("resnet50", 33, 129, 3), ("resnet50", 1, 1, 3), ("resnet20", 28, 28, 1),
                          ("resnet20", 27, 31, 3), ("vgg11", 97, 65, 3), ("vgg16_bn", 33, 224, 3)):
        with torch.device("meta"):
            net = build(arch, c, 10)
        for name, shape, _ in outputs(net, h, w, c):
            yield f"{arch} {h} {w} {c} {name} {'x'.join(map(str, shape))}"


def init_lines():
    torch.manual_seed(1)
    for arch, wanted in (("resnet18", ("conv1", "bn1", "layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.conv2", "fc")),
                         ("resnet50", ("layer1.0.conv1", "layer1.0.conv3", "layer3.0.conv2", "fc")),
                         ("vgg11", ("features.0", "features.3", "features.18", "classifier.6")),
                         ("vgg11_bn", ("features.0", "features.1", "features.4", "classifier.6"))):
        net = build(arch, 3, 1000)
        for name, p in net.named_parameters():
            if name.rsplit(".", 1)[0] in wanted:
                yield f"{arch} {name} {p.mean().item():.6g} {p.std().item():.6g}"


def extent(make, *sizes):
    try:
        return make(torch.empty(1, 1, sizes[0], sizes[0], device="meta")).shape[-1]
    except RuntimeError:
        return 0


def pool_lines():
    for size in (1, 2, 3, 5, 7, 8, 12):
        for kernel in (1, 2, 3, 5):
            for stride in (1, 2, 3):
                for padding in range(kernel // 2 + 1):
                    for ceil in (0, 1):
                        out = extent(nn.MaxPool2d(kernel, stride, padding, ceil_mode=bool(ceil)), size)
                        yield f"{size} {kernel} {stride} {padding} {ceil} {out}"


def conv_lines():
    for size in (1, 2, 3, 5, 8, 13):
        for kernel in (1, 2, 3, 7):
            for stride in (1, 2, 3):
                for padding in (0, 1, 3):
                    for dilation in (1, 2):
                        with torch.device("meta"):
                            conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation)
                        yield f"{size} {kernel} {stride} {padding} {dilation} {extent(conv, size)}"


for file, lines in (("model_zoo.txt", zoo_lines()), ("model_names.txt", name_lines()), ("model_shapes.txt", shape_lines()),
                    ("model_init.txt", init_lines()), ("pool_extents.txt", pool_lines()), ("conv_extents.txt", conv_lines())):
    (HERE / file).write_text("".join(line + "\n" for line in lines))
