#!/usr/bin/env bash
# ImageNet (ILSVRC 2012): 1,281,167 + 50,000 photographs, 1000 classes. Makes datasets/imagenet/train and .../val.
# The pictures cannot be fetched without an account: get them at https://image-net.org/download-images (or Kaggle,
# "imagenet-object-localization-challenge") and put into one FOLDER
#   ILSVRC2012_img_train.tar   (138 GB)   or the folder train/ with its 1000 class folders
#   ILSVRC2012_img_val.tar     (6.3 GB)   or the folder val/ with its 1000 class folders
#   LOC_val_solution.csv                  which class each validation picture is (from Kaggle); without it the list
#                                         in valprep.sh of soumith/imagenetloader.torch is fetched
# then
#   datasets/imagenet.sh FOLDER
# FOLDER needs room for the unpacked pictures (150 GB), the result the same again. OUT=/elsewhere/imagenet puts the
# result somewhere else, RANKS=16 imports with so many processes (default: one per core).
set -euo pipefail

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
source=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
cnn_dist=${CNN_DIST:-$([ -x build/cnn_dist ] && echo build/cnn_dist || echo cnn_dist)}
out=${OUT:-datasets/imagenet}
ranks=${RANKS:-$(nproc)}
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

need() {
    [ -e "$source/$1" ] && return 0
    echo "$source/$1 is missing: see the first lines of $0" >&2
    exit 2
}

# The archive holds one archive for each class. A finished class folder has its name without .part.
unpack_train() {
    local class
    need ILSVRC2012_img_train.tar
    mkdir -p "$source/train.part"
    tar -tf "$source/ILSVRC2012_img_train.tar" | while read -r class; do
        class=${class%.tar}
        [ -d "$source/train.part/$class" ] && continue
        mkdir -p "$source/train.part/.$class"
        tar --occurrence=1 -xOf "$source/ILSVRC2012_img_train.tar" "$class.tar" | tar -xf - -C "$source/train.part/.$class"
        mv "$source/train.part/.$class" "$source/train.part/$class"
    done
    mv "$source/train.part" "$source/train"
}

# Prints "PICTURE CLASS" for every validation picture.
val_classes() {
    if [ -e "$source/LOC_val_solution.csv" ]; then
        sed -n 's/^\(ILSVRC2012_val_[0-9]*\),\(n[0-9]*\) .*/\1.JPEG \2/p' "$source/LOC_val_solution.csv"
    else
        curl --fail --location --silent https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh |
            sed -n 's/^mv \(ILSVRC2012_val_[0-9]*\.JPEG\) \(n[0-9]*\)\/*$/\1 \2/p'
    fi
}

unpack_val() {
    local picture class n
    need ILSVRC2012_img_val.tar
    val_classes >"$source/val_classes.txt"
    n=$(wc -l <"$source/val_classes.txt")
    if [ "$n" -ne 50000 ]; then
        echo "found the classes of $n validation pictures instead of 50000: is LOC_val_solution.csv whole?" >&2
        exit 1
    fi
    rm -rf "$source/val.part"
    mkdir -p "$source/val.part/flat"
    tar -xf "$source/ILSVRC2012_img_val.tar" -C "$source/val.part/flat"
    cut -d' ' -f2 "$source/val_classes.txt" | sort -u | (cd "$source/val.part" && xargs mkdir -p)
    while read -r picture class; do
        mv "$source/val.part/flat/$picture" "$source/val.part/$class/"
    done <"$source/val_classes.txt"
    rmdir "$source/val.part/flat"
    mv "$source/val.part" "$source/val"
}

[ -d "$source/train" ] || unpack_train
[ -d "$source/val" ] || unpack_val
for part in train val; do
    mpirun -np "$ranks" --oversubscribe "$cnn_dist" dataset import folder "$source/$part" --out "$out/$part" --name "imagenet-$part"
done
echo "now: mpirun -np 8 $cnn_dist train configs/resnet.yaml"
