#!/usr/bin/env python3
"""Golden pixels of the augmentations, by Pillow and torchvision with fixed parameters, for tests/unit/image/test_augment.c.

    python3 make_image_augment.py    writes image/augment.txt, image/augment.pixels and image/auto_augment.txt

Each line of augment.txt: operation, picture (texture or soft), h, w, c, how far a byte may be off, how many bytes may be
off further (nearest neighbours on the border between two pixels), then the parameters. The pixels follow one another.
"""
import math
import os

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import AutoAugmentPolicy, InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image")
H, W = 13, 17


def texture(h, w, c):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    return ((3 * x * x + 5 * y * y + 7 * x * y + 101 * k) & 255).astype(np.uint8)


def soft(h, w, c):
    y, x, k = np.meshgrid(np.arange(h), np.arange(w), np.arange(c), indexing="ij")
    return (((3 + k) * x + 2 * y) % 160 + (x // 7 + y // 5) % 2 * 60 + 10 * k).astype(np.uint8)


def pil(pixels):
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])


def by_pil(function):
    def run(pixels, *args):
        made = np.asarray(function(pil(pixels), *args))
        return made.reshape(made.shape[0], made.shape[1], pixels.shape[2])
    return run


def by_tensor(function):
    def run(pixels, *args):
        return function(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), *args).permute(1, 2, 0).numpy()
    return run


def mode(i):
    return [InterpolationMode.NEAREST, InterpolationMode.BILINEAR][int(i)]


def warped(image, interpolation, fill, function):
    """Bilinear with the fill as what lies beyond the edge: torchvision, given a fill, weighs the picture's edge twice."""
    if not int(interpolation):
        return function(image, [float(fill)])
    return (function(image.double() - fill, None) + fill).round().clamp(0, 255).to(torch.uint8)


def affine(image, degrees, tx, ty, scale, shear_x, shear_y, cx, cy, interpolation, fill):
    centre = None if cx < 0 else [cx, cy]
    return warped(image, interpolation, fill, lambda i, f: F.affine(
        i, degrees, [tx, ty], scale, [shear_x, shear_y], mode(interpolation), f, centre))


def perspective(image, x0, y0, x1, y1, x2, y2, x3, y3, interpolation, fill):
    h, w = image.shape[-2:]
    start = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
    end = [[x0, y0], [x1, y1], [x2, y2], [x3, y3]]
    return warped(image, interpolation, fill, lambda i, f: F.perspective(i, start, end, mode(interpolation), f))


def gray(pixels):
    if pixels.shape[2] == 1:
        return pixels
    return np.repeat(np.asarray(pil(pixels).convert("L"))[:, :, None], 3, 2)


def lab_floats(pixels):
    level = pixels / 255.0
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    t = linear @ matrix.T / np.array([0.95047, 1, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return 116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])


def rounded(channels):
    return np.clip(np.floor(np.stack(channels, -1) + 0.5), 0, 255).astype(np.uint8)


def lab(pixels):
    l, a, b = lab_floats(pixels)
    return rounded([l * 2.55, a + 128, b + 128])


def hcl(pixels):
    l, a, b = lab_floats(pixels)
    hue = np.floor(np.arctan2(b, a) / (2 * math.pi) * 256 + 0.5) % 256
    return rounded([hue, np.hypot(a, b) * 255 / 134, l * 2.55])


def pad(pixels, across, down, border, fill):
    return np.asarray(F.pad(pil(pixels), [int(across), int(down)], fill=int(fill),
                            padding_mode=["constant", "edge", "reflect"][int(border)])).reshape(
        pixels.shape[0] + 2 * int(down), pixels.shape[1] + 2 * int(across), -1)


class Cases:
    def __init__(self):
        self.lines, self.pixels = [], b""

    def add(self, name, function, args=(), tolerance=0, slack=0, pictures=("texture", "soft"), channels=(1, 3)):
        for picture in pictures:
            for c in channels:
                made = function({"texture": texture, "soft": soft}[picture](H, W, c), *args)
                self.lines.append(" ".join(str(v) for v in (name, picture, H, W, c, tolerance, slack, *args)))
                self.pixels += np.ascontiguousarray(made, dtype=np.uint8).tobytes()


def levels(cases):
    for factor in (0, 0.4, 1.3, 2.5):
        cases.add("brightness", by_pil(F.adjust_brightness), [factor])
        cases.add("contrast", by_pil(F.adjust_contrast), [factor])
        cases.add("saturation", by_pil(F.adjust_saturation), [factor])
        cases.add("sharpness", by_pil(F.adjust_sharpness), [factor])
    for gamma, gain in ((0.5, 1), (2.2, 1), (1, 1.5)):
        cases.add("gamma", by_pil(F.adjust_gamma), [gamma, gain])
    for bits in (1, 4, 8):
        cases.add("posterize", by_pil(F.posterize), [bits])
    for threshold in (0, 100, 256):
        cases.add("solarize", by_pil(F.solarize), [threshold])
    cases.add("invert", by_pil(F.invert))
    cases.add("equalize", by_pil(F.equalize))
    cases.add("autocontrast", by_pil(lambda image: F.autocontrast(F.adjust_contrast(image, 0.4))), tolerance=1)
    cases.add("levels_chain", by_pil(lambda image: F.equalize(F.solarize(F.autocontrast(F.posterize(
        F.adjust_contrast(F.adjust_brightness(image, 0.7), 1.2), 5)), 128))))
    for turn in (-0.5, -0.13, 0.02, 0.25):
        cases.add("hue", by_tensor(F.adjust_hue), [turn], tolerance=1)
    cases.add("gray", gray)
    cases.add("lab", lab, tolerance=1, channels=(3,))
    cases.add("hcl", hcl, tolerance=1, channels=(3,))


def neighbours(cases):
    for size, sigma in ((1, 1), (3, 0.5), (5, 1.1), (9, 4), (15, 2)):
        cases.add("blur", by_tensor(lambda image, s, d: F.gaussian_blur(image, [int(s)] * 2, [d] * 2)), [size, sigma],
                  tolerance=1)
    for args in ((3, 2, 0, 77), (4, 5, 1, 0), (6, 3, 2, 0)):
        cases.add("pad", pad, args)
    cases.add("resize_exact", by_pil(lambda image, h, w: F.resize(image, [int(h), int(w)])), [11, 29], tolerance=1)


def plane(cases):
    # degrees, shift, scale, shear, centre (-1: the middle), interpolation, fill
    for args in ((0, 4, -3, 1, 0, 0, -1, -1), (17, 0, 0, 1, 0, 0, -1, -1), (-40, 2, 1, 1.3, 8, -5, -1, -1),
                 (0, 0, 0, 0.6, 0, 0, -1, -1), (0, 0, 0, 1, 20, 0, 0, 0), (0, 0, 0, 1, 0, -15, 0, 0),
                 (175, -3, 5, 2.1, -30, 10, -1, -1)):
        for interpolation, fill in ((0, 0), (0, 200), (1, 0), (1, 128)):
            cases.add("affine", by_tensor(affine), [*args, interpolation, fill], tolerance=interpolation,
                      slack=0 if interpolation else 6, pictures=("texture",), channels=(1, 3))
    for corners in ((1, 1, 14, 2, 15, 11, 1, 10), (0, 0, 11, 3, 13, 8, 4, 12)):
        for interpolation, fill in ((0, 0), (1, 90)):
            cases.add("perspective", by_tensor(perspective), [*corners, interpolation, fill], tolerance=interpolation,
                      slack=0 if interpolation else 6, pictures=("texture",), channels=(1, 3))


KINDS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
         "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert"]


def auto_augment():
    """strength: kind, wide, bin, bins, h, w, signed, value; policy: dataset, pair, which, kind, probability, bin."""
    lines = []
    for wide, transform in ((0, v2.RandAugment), (1, v2.TrivialAugmentWide)):
        for name, (magnitudes, signed) in transform._AUGMENTATION_SPACE.items():
            for bins, h, w in ((31, 224, 224), (10, 32, 40)):
                values = magnitudes(bins, h, w)
                for i in ([0, 1, bins // 2, bins - 1] if values is not None else []):
                    value = float(values[i]) * (255 if name == "Solarize" else 1)
                    lines.append("strength %d %d %d %d %d %d %d %.9g" % (KINDS.index(name), wide, i, bins, h, w, signed, value))
    for i, policy in enumerate((AutoAugmentPolicy.IMAGENET, AutoAugmentPolicy.CIFAR10, AutoAugmentPolicy.SVHN)):
        for k, pair in enumerate(v2.AutoAugment(policy)._policies):
            for j, (name, p, index) in enumerate(pair):
                lines.append("policy %d %d %d %d %g %d" % (i, k, j, KINDS.index(name), p, index or 0))
    return lines


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)


def main():
    cases = Cases()
    levels(cases)
    neighbours(cases)
    plane(cases)
    write("augment.txt", ("\n".join(cases.lines) + "\n").encode())
    write("augment.pixels", cases.pixels)
    write("auto_augment.txt", ("\n".join(auto_augment()) + "\n").encode())


main()
