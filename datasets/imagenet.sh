#!/usr/bin/env bash
# ImageNet (ILSVRC 2012): 1,281,167 + 50,000 photographs, 1000 classes. Makes datasets/imagenet/train and .../val.
# The pictures cannot be fetched without an account: get them at https://image-net.org/download-images (or Kaggle,
# "imagenet-object-localization-challenge") and put into one FOLDER
#   ILSVRC2012_img_train.tar   (138 GB)   or the folder train/ with its 1000 class folders
#   ILSVRC2012_img_val.tar     (6.3 GB)   or the folder val/ with its 1000 class folders
#   LOC_val_solution.csv                  which class each validation picture is (from Kaggle); without it the list
#                                         in valprep.sh of soumith/imagenetloader.torch is fetched
# then
#   datasets/imagenet.sh FOLDER [OPTIONS OF THE IMPORT]       for example --max-side 500
# Archives are read as they are; nothing is unpacked. The result needs as much room as the archives. An import that was cut
# off goes on when this is started again. OUT=/elsewhere/imagenet puts the result somewhere else, RANKS=16 imports with so
# many processes (default: one, whose threads use all processors).
set -euo pipefail

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi
source=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
cnn_dist=${CNN_DIST:-$([ -x build/cnn_dist ] && echo build/cnn_dist || echo cnn_dist)}
out=${OUT:-datasets/imagenet}
start=("$cnn_dist")
if [ "${RANKS:-1}" -gt 1 ]; then
    start=(mpirun -np "$RANKS" --oversubscribe --bind-to none "$cnn_dist")
    if [ "$(id -u)" -eq 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
fi

# import PART ARGS...: from its folder where there is one, otherwise from its archive
import() {
    local part=$1 archive=$source/ILSVRC2012_img_$1.tar labels
    shift
    if [ -d "$source/$part" ]; then
        "${start[@]}" dataset import folder "$source/$part" --out "$out/$part" --name "imagenet-$part" "$@"
    elif [ -e "$archive" ]; then
        if [ "$part" = val ]; then
            labels=$(val_labels)
            set -- --labels "$labels" "$@"
        fi
        "${start[@]}" dataset import tar "$archive" --out "$out/$part" --name "imagenet-$part" "$@"
    else
        echo "$archive is missing: see the first lines of $0" >&2
        exit 2
    fi
}

# A file that says the class of every validation picture.
val_labels() {
    local list=$source/val_classes.txt n
    if [ -e "$source/LOC_val_solution.csv" ]; then
        echo "$source/LOC_val_solution.csv"
        return 0
    fi
    if [ ! -e "$list" ]; then
        curl --fail --location --silent https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh |
            sed -n 's/^mv \(ILSVRC2012_val_[0-9]*\.JPEG\) \(n[0-9]*\)\/*$/\1 \2/p' >"$list.part"
        n=$(wc -l <"$list.part")
        if [ "$n" -ne 50000 ]; then
            echo "fetched the classes of $n validation pictures instead of 50000; get LOC_val_solution.csv" >&2
            exit 1
        fi
        mv "$list.part" "$list"
    fi
    echo "$list"
}

import train "$@"
import val "$@"
echo "now: mpirun -np 8 $cnn_dist train configs/resnet.yaml"
