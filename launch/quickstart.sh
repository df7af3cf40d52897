#!/usr/bin/env bash
# From nothing to a trained network: installs what is missing, builds, draws a dataset, trains on it with two ranks,
# and tests the result. Run it again at any time: what is there already is used, and a run that was broken off goes on.
#   launch/quickstart.sh [--set KEY=VALUE]...      the settings go to `cnn_dist train`, e.g. --set train.epochs=12
# RANKS=4 launch/quickstart.sh trains with four ranks.
set -euo pipefail

cd "$(dirname "$0")/.."
ranks=${RANKS:-2}
config=configs/quickstart.yaml
datasets=datasets/quickstart
cnn_dist=build/cnn_dist

say() { printf '\n== %s\n' "$*"; }

build() {
    if [ ! -f build/CMakeCache.txt ]; then
        cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release >build.log 2>&1 || { cat build.log >&2; return 1; }
        rm -f build.log
    fi
    cmake --build build --target cnn_dist
}

# draw NAME COUNT FIRST: the pictures with the ids FIRST, FIRST + 1, ...
draw() {
    local dir=$datasets/$1 source
    source=$("$cnn_dist" dataset info "$dir" --json 2>/dev/null | sed -n 's/.*"source": *"\(.*\)".*/\1 /p') || true
    case $source in
    *" count=$2 seed=1 first=$3 side=24 "*)
        echo "$dir is there already"
        return 0
        ;;
    esac
    rm -rf "$dir" # another size, or drawing it was broken off
    "$cnn_dist" dataset synth --out "$dir" --count "$2" --first "$3" --side 24 --seed 1
}

# A finished run is kept and the next one gets another name; one that was broken off is gone on with.
choose_run() {
    local n=2
    run=quickstart
    while grep -qs '"kind":"end".*"status":"done"' "runs/$run/metrics.jsonl"; do
        run=quickstart-$n
        n=$((n + 1))
    done
}

# The launcher's own idea of processors is left out: cnn_dist shares them among its ranks itself.
launch() {
    if [ "$(id -u)" -eq 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
    mpirun -np "$ranks" --oversubscribe --bind-to none "$cnn_dist" "$@"
}

say "packages"
launch/install_packages.sh
echo "all there"

say "build"
build

say "dataset: synthetic images of ten shapes"
draw train 25000 0
draw val 2000 1000000

choose_run
say "training on $ranks ranks"
launch train "$config" --set "run.name=$run" "$@"

say "evaluating the best network on the validation set"
result=$(launch eval "runs/$run" --json)
accuracy=$(sed -n 's/.*"top1": *\([0-9.]*\).*/\1/p' <<<"$result" | head -n 1)

cat <<END

accuracy    ${accuracy:?no accuracy in: $result} % on the validation set
run folder  runs/$run: config.yaml, metrics.jsonl, log.txt, checkpoints/

What to try next:
  launch/quickstart.sh --set train.epochs=12                    the same for longer
  launch/quickstart.sh --set model.arch=resnet32                a deeper network
  $cnn_dist model list                                    all architectures
  $cnn_dist predict runs/$run IMAGE.jpg             classify an image
Your own images, in one folder per class:
  $cnn_dist dataset import folder IMAGES --out datasets/mine --split train=0.9,val=0.1
README.md shows how to train on them.
END
