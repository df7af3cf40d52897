#!/usr/bin/env bash
# Fashion-MNIST (Zalando, MIT licence): 60,000 + 10,000 gray pictures of clothes, 28 x 28, ten classes.
# Makes datasets/fashion-mnist/train and datasets/fashion-mnist/test.
#   datasets/fashion_mnist.sh [FOLDER]     FOLDER holds the four .gz files already; otherwise they are fetched (30 MB)
# OUT=/elsewhere/fashion-mnist puts the result somewhere else.
set -euo pipefail

given=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
cnn_dist=${CNN_DIST:-$([ -x build/cnn_dist ] && echo build/cnn_dist || echo cnn_dist)}
out=${OUT:-datasets/fashion-mnist}
source=${given:-$out/source}
url=http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
classes="T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
sums="8d4fb7e6c68d591d4c3dfef9ec88bf0d  train-images-idx3-ubyte.gz
25c81989df183df01b3e8a0aad5dffbe  train-labels-idx1-ubyte.gz
bef4ecab320f06d8554ea6380940ec79  t10k-images-idx3-ubyte.gz
bb300cfdad3c16e7a12a480ee83cd310  t10k-labels-idx1-ubyte.gz"

if [ -z "$given" ]; then
    mkdir -p "$source"
    while read -r _ name; do
        [ -e "$source/$name" ] && continue
        curl --fail --location --output "$source/$name.part" "$url/$name"
        mv "$source/$name.part" "$source/$name"
    done <<<"$sums"
    (cd "$source" && md5sum --quiet --check - <<<"$sums")
fi

for part in train test; do
    "$cnn_dist" dataset import idx "$source" --part "$part" --classes "$classes" --out "$out/$part" --name fashion-mnist
done
echo "now: $cnn_dist train configs/fashion_mnist.yaml"
