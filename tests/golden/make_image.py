#!/usr/bin/env python3
"""Writes tests/golden/image: small pictures made by formula, and their pixels as PIL and torchvision see them.

Needs Pillow, numpy, torch and torchvision; the tests need only the files. Run as: python make_image.py
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import v2

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image")


def soft(h, w, c=3):
    """Waves and an edge: something a JPEG can hold."""
    y, x, k = np.mgrid[0:h, 0:w, 0:c]
    waves = 128 + 70 * np.sin(x / (5.0 + k)) + 50 * np.cos((y + 2 * k) / 4.0) + 40 * ((x + y) % 29 > 14)
    return np.clip(waves, 0, 255).astype(np.uint8)


def texture(h, w, c):
    """The formula of tests/unit/image/picture.h."""
    y, x, k = np.mgrid[0:h, 0:w, 0:c]
    return ((3 * x * x + 5 * y * y + 7 * x * y + 101 * k) % 256).astype(np.uint8)


def picture(pixels):
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def png(h, w, depth, colour, samples, interlaced=False, palette=None, extra=b""):
    """A PNG of any kind: `samples` is h x w x channels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def pack(rows):
        out = b""
        for row in rows.reshape(rows.shape[0], -1):
            if depth == 16:
                out += b"\0" + row.astype(">u2").tobytes()
            elif depth == 8:
                out += b"\0" + row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), "0%db" % depth) for v in row)
                bits += "0" * (-len(bits) % 8)
                out += b"\0" + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        return out

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    if not interlaced:
        passes = [(0, 0, 1, 1)]
    samples = samples.reshape(h, w, channels)
    data = b"".join(pack(samples[y0::dy, x0::dx]) for x0, y0, dx, dy in passes if samples[y0::dy, x0::dx].size)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced)))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    return out + extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


class Files:
    def __init__(self):
        self.lines = []

    def add(self, name, data, golden=None):
        """`golden`: RGB pixels where PIL's own reading is not what we want."""
        image = Image.open(io.BytesIO(data))
        native = 1 if image.mode in ("L", "LA", "1", "I", "I;16") else 3
        upright = ImageOps.exif_transpose(image)
        rgb = np.asarray(upright.convert("RGB")) if golden is None else golden
        kept = rgb[:, :, :1] if native == 1 else rgb
        with open(os.path.join(HERE, name), "wb") as f:
            f.write(data)
        with open(os.path.join(HERE, name + ".pixels"), "wb") as f:
            f.write(np.ascontiguousarray(kept).tobytes())
        luma = np.asarray(Image.fromarray(rgb).convert("L"))
        self.lines.append("%s %d %d %d %08x" % (name, rgb.shape[0], rgb.shape[1], native, zlib.crc32(luma.tobytes())))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, **options)
    return out.getvalue()


def make_jpegs(files):
    rgb, gray = picture(soft(35, 45)), picture(soft(35, 45, 1))
    files.add("420.jpg", jpeg(rgb, subsampling=2))
    files.add("422.jpg", jpeg(rgb, subsampling=1))
    files.add("444.jpg", jpeg(rgb, subsampling=0))
    files.add("gray.jpg", jpeg(gray))
    files.add("progressive.jpg", jpeg(rgb, subsampling=2, progressive=True))
    files.add("gray-progressive.jpg", jpeg(gray, progressive=True))
    files.add("restart.jpg", jpeg(rgb, subsampling=2, restart_marker_blocks=1))
    files.add("rgb.jpg", jpeg(rgb, keep_rgb=True))
    files.add("cmyk.jpg", jpeg(Image.fromarray(soft(35, 45, 4), "CMYK")))
    small = picture(soft(19, 26))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.add("orientation-%d.jpg" % orientation, jpeg(small, exif=exif.tobytes()))


def make_pngs(files):
    h, w = 11, 19
    rgb, gray = texture(h, w, 3), texture(h, w, 1)
    for depth in (1, 2, 4, 8):
        files.add("gray%d.png" % depth, png(h, w, depth, 0, gray >> (8 - depth)))
        palette = texture(1, 1 << depth, 3)[0]
        files.add("palette%d.png" % depth, png(h, w, depth, 3, gray >> (8 - depth), palette=palette))
    deep = gray.astype(np.uint16) * 256 + 255 - gray
    files.add("gray16.png", png(h, w, 16, 0, deep), golden=np.repeat(gray, 3, 2))
    deep_rgb = rgb.astype(np.uint16) * 256 + 255 - rgb
    files.add("rgb16.png", png(h, w, 16, 2, deep_rgb), golden=rgb)
    files.add("rgb8.png", png(h, w, 8, 2, rgb))
    files.add("gray-alpha.png", png(h, w, 8, 4, texture(h, w, 2)))
    files.add("rgba.png", png(h, w, 8, 6, texture(h, w, 4)))
    files.add("rgb-interlaced.png", png(h, w, 8, 2, rgb, interlaced=True))
    files.add("gray1-interlaced.png", png(h, w, 1, 0, gray >> 7, interlaced=True))
    transparent = struct.pack(">I", 3) + b"tRNS" + bytes([0, 128, 255])
    transparent += struct.pack(">I", zlib.crc32(transparent[4:]))
    files.add("palette-transparent.png", png(h, w, 8, 3, gray >> 4, palette=texture(1, 16, 3)[0], extra=transparent))


def make_resizes():
    """Lines of: picture h w c, cut y x h w, result h w; pixels one after another in resize.pixels."""
    cases = [
        (37, 53, 3, 0, 0, 37, 53, 24, 24), (37, 53, 1, 0, 0, 37, 53, 24, 24), (24, 24, 3, 0, 0, 24, 24, 37, 53),
        (7, 5, 3, 0, 0, 7, 5, 16, 16), (1, 1, 3, 0, 0, 1, 1, 5, 3), (1, 40, 1, 0, 0, 1, 40, 9, 9),
        (60, 64, 3, 3, 7, 41, 29, 20, 20), (60, 64, 3, 20, 0, 40, 64, 17, 31), (100, 90, 3, 0, 0, 100, 90, 6, 5),
        (300, 2, 1, 0, 0, 300, 2, 3, 30), (33, 47, 3, 0, 0, 33, 47, 33, 20), (33, 47, 3, 0, 0, 33, 47, 20, 47),
        (50, 70, 3, 10, 11, 17, 18, 17, 18), (130, 140, 1, 1, 2, 128, 128, 64, 64), (90, 90, 3, 5, 5, 80, 80, 20, 40),
        (2, 2, 3, 0, 0, 2, 2, 32, 32), (200, 17, 3, 0, 0, 200, 17, 31, 31),
    ]
    lines, pixels = [], b""
    for h, w, c, y, x, ch, cw, oh, ow in cases:
        cut = picture(texture(h, w, c)).crop((x, y, x + cw, y + ch))
        lines.append(" ".join(map(str, (h, w, c, y, x, ch, cw, oh, ow))))
        # Across, then down: what Pillow does in one call, before 13 always, since then unless the height shrinks much more.
        across = cut.resize((ow, ch), Image.BILINEAR)
        pixels += np.asarray(across.resize((ow, oh), Image.BILINEAR)).tobytes()
    write("resize", lines, pixels)


def make_evals():
    """resize, then center_crop. Lines of: picture h w c, side, size."""
    cases = [(37, 53, 3, 24, 20), (53, 37, 3, 24, 20), (53, 37, 1, 24, 21), (20, 20, 3, 20, 17), (31, 64, 3, 40, 33),
             (10, 12, 3, 10, 15), (9, 30, 1, 16, 16), (64, 65, 3, 16, 16), (45, 44, 3, 21, 24)]
    lines, pixels = [], b""
    for h, w, c, side, size in cases:
        both = v2.Compose([v2.Resize(side), v2.CenterCrop(size)])
        lines.append(" ".join(map(str, (h, w, c, side, size))))
        pixels += np.asarray(both(picture(texture(h, w, c)))).tobytes()
    write("eval", lines, pixels)


def make_sizes():
    """What resize makes of a size. Lines of: h w side, result h w; then of center_crop: h w size, first row and column."""
    lines = []
    for h, w, side in [(375, 500, 256), (500, 375, 256), (333, 500, 256), (500, 334, 232), (1, 100, 7), (97, 89, 64),
                       (89, 97, 1), (640, 427, 224), (427, 640, 225), (1000, 999, 300), (5, 3, 11), (2000, 13, 29)]:
        size = v2.Resize(side)(Image.new("L", (w, h))).size
        lines.append("resize %d %d %d %d %d" % (h, w, side, size[1], size[0]))
    for h in range(1, 12):
        for w in range(1, 12, 2):
            # Pixels count from 1, so that 0 is border.
            numbers = picture((1 + np.arange(h * w).reshape(h, w, 1)).astype(np.uint8))
            size = 6
            cut = np.asarray(v2.CenterCrop(size)(numbers))
            row, column = np.argwhere(cut > 0)[0]
            first = int(cut[row, column]) - 1
            lines.append("center_crop %d %d %d %d %d" % (h, w, size, first // w - row, first % w - column))
    write("sizes", lines)


def write(name, lines, pixels=None):
    with open(os.path.join(HERE, name + ".txt"), "w") as f:
        f.write("\n".join(lines) + "\n")
    if pixels is not None:
        with open(os.path.join(HERE, name + ".pixels"), "wb") as f:
            f.write(pixels)


def main():
    os.makedirs(HERE, exist_ok=True)
    files = Files()
    make_jpegs(files)
    make_pngs(files)
    write("files", files.lines)
    make_resizes()
    make_evals()
    make_sizes()


main()
