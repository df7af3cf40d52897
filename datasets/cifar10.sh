#!/usr/bin/env bash
# CIFAR-10 (Krizhevsky, University of Toronto): 50,000 + 10,000 colour pictures, 32 x 32, ten classes.
# Makes datasets/cifar10/train and datasets/cifar10/test.
#   datasets/cifar10.sh [FOLDER]     FOLDER holds data_batch_1.bin ... test_batch.bin already; otherwise they are
#                                    fetched (162 MB)
# OUT=/elsewhere/cifar10 puts the result somewhere else.
set -euo pipefail

given=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
cnn_dist=${CNN_DIST:-$([ -x build/cnn_dist ] && echo build/cnn_dist || echo cnn_dist)}
out=${OUT:-datasets/cifar10}
source=${given:-$out/source/cifar-10-batches-bin}
url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz

if [ -z "$given" ] && [ ! -e "$source/test_batch.bin" ]; then
    mkdir -p "$out/source"
    curl --fail --location --continue-at - --output "$out/source/cifar-10-binary.tar.gz" "$url"
    echo "c32a1d4ab5d03f1284b67883e8d87530  $out/source/cifar-10-binary.tar.gz" | md5sum --quiet --check -
    tar -xzf "$out/source/cifar-10-binary.tar.gz" -C "$out/source"
fi

for part in train test; do
    "$cnn_dist" dataset import cifar10 "$source" --part "$part" --out "$out/$part" --name cifar10
done
echo "now: $cnn_dist train configs/cifar10.yaml"
