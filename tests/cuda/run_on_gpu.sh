#!/usr/bin/env bash
# Everything that a machine with a GPU is needed for, into one folder of raw results:
#   tests/cuda/run_on_gpu.sh OUT [PART...]     all parts, or those named (a pattern each, such as 'bench-*')
#   tests/cuda/run_on_gpu.sh --list            says what parts there are
# Builds (Release, CNN_CUDA=ON) in build-gpu, runs the tests, compute-sanitizer, trainings, and benchmarks. A part that
# fails or takes too long ends alone; OUT/summary.txt says how each ended, OUT/PART.log what it said. Exit status 1 when
# any part failed.
# Environment: CNN_TEST_DATA   folder with fashion-mnist/*.gz, cifar10-jpg.tar.xz or cifar-10-batches-bin/, and
#                              imagenette224.tar (pictures in train/CLASS and val/CLASS)
#              PEERS           folder with torch_step.py, to measure PyTorch beside
#              PYTHON          a python with torch and torchvision (default: python3)
#              BUILD           build folder (default: build-gpu)
#              JOBS            builds at the same time (default: the processors)
#              CUDAARCHS       the architecture to build for, as 90, which saves most of the build's time
set -euo pipefail

self=$(realpath "$0")
started_in=$PWD
cd "$(dirname "$0")/../.."
build=$(realpath -m "${BUILD:-build-gpu}")
cnn=$build/cnn_dist
export CNN_TEST_NEEDS_GPU=1
# Engines that were timed are kept from part to part, also where HOME cannot be written.
export XDG_CACHE_HOME=$build/cache

precisions=(fp32 bf16 fp16)
parts=(versions build tests)
for tool in memcheck racecheck; do
    parts+=("$tool-frame" "$tool-replica")
    for precision in fp32 tf32 bf16 fp16; do parts+=("$tool-ops-$precision"); done
done
parts+=(raced-bf16 raced-fp16 resume two_ranks)
parts+=(all_gpus-same all_gpus-lost all_gpus-allreduce all_gpus-nccl-fp32 all_gpus-nccl-bf16 all_gpus-mpi-fp32)
parts+=(data-fashion_mnist data-cifar10)
for config in fashion_mnist cifar10; do
    for precision in "${precisions[@]}"; do parts+=("train-$config-$precision"); done
done
for arch in resnet50 vgg16; do
    for precision in fp32 tf32 bf16 fp16; do
        parts+=("bench-$arch-$precision")
        # PyTorch's own fp32 is tf32 there
        [ "$precision" = fp32 ] || parts+=("torch-$arch-$precision-eager" "torch-$arch-$precision-compiled")
    done
done

parts+=(data-imagenette loader-imagenette fed-bf16 fed-fp16)

limit_of() { # PART: seconds
    case $1 in
    build) echo 1800 ;;
    tests) echo 2400 ;;
    racecheck-*) echo 1200 ;;
    memcheck-*) echo 900 ;;
    train-*) echo 900 ;;
    *) echo 600 ;;
    esac
}

# ---- the parts. Status 77: there is nothing to do here.

absent() {
    echo "skipped: $*"
    exit 77
}

part_versions() {
    local tool
    uname -a
    git log -1 --format='commit %H %cd' 2>/dev/null || true
    for tool in "nvidia-smi" "nvidia-smi -q" "nvidia-smi topo -m" "nvcc --version" "cmake --version" "gcc --version" \
        "mpirun --version" "compute-sanitizer --version" "lscpu" "free -m" "ldconfig -p"; do
        echo "== $tool"
        # shellcheck disable=SC2086 # words are meant
        $tool 2>&1 || echo "(not here)"
    done
}

part_build() {
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCNN_CUDA=ON
    cmake --build "$build" -j "${JOBS:-$(nproc)}"
    "$cnn" version
    "$cnn" doctor || true
}

part_tests() { ctest --test-dir "$build" --output-on-failure --timeout 900 --tests-regex '^(cuda|backend|replica)/'; }

# The engines that win races, not the heuristics' first, against the reference.
part_raced() { CNN_CUDA_ENGINES=timed "$build/tests/cuda/test_cuda_ops" "$1"; } # PRECISION

# Calls that fail are no finding: some tests make them fail, and libraries try what there is. Engines are not timed, for
# their times under a tool say nothing.
sanitize() { # TOOL PROGRAM [ARGS...]
    local tool=$1 program=$2 sanitizer api_errors=()
    shift 2
    [ "$tool" != memcheck ] || api_errors=(--report-api-errors no)
    export CNN_CUDA_ENGINES=heuristic
    sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
    [ -x "$sanitizer" ] || absent "there is no compute-sanitizer"
    "$sanitizer" --tool "$tool" "${api_errors[@]}" --error-exitcode 1 --print-limit 20 "$build/tests/cuda/$program" "$@"
}

check() { # TOOL WHAT [PRECISION]
    case $2 in
    ops) sanitize "$1" test_cuda_ops "$3" ;;
    *) sanitize "$1" "test_cuda_$2" ;;
    esac
}

part_memcheck() { check memcheck "$@"; }
part_racecheck() { check racecheck "$@"; }

# Runs that are stopped and go on end as unbroken ones do, byte for byte.
part_resume() { CNN_TEST_BACKEND=cuda tests/mpi/e2e_resume.sh "$cnn"; }

on_ranks() { # N ARGS...
    local n=$1
    shift
    RANKS_TIMEOUT=500 tests/mpi/run_ranks.sh "$n" "$cnn" "$@"
}

n_gpus() { nvidia-smi --list-gpus | grep -c .; }

all_gpus() { # ARGS...: the program on a rank for each GPU, of which there are several
    local n
    n=$(n_gpus)
    [ "$n" -gt 1 ] || absent "there is one GPU"
    NCCL_DEBUG=WARN on_ranks "$n" "$@" --set backend=cuda
}

part_all_gpus() { # same | lost | allreduce | WAY PRECISION
    case $1 in
    allreduce) all_gpus bench allreduce ;;
    same | lost) CNN_TEST_BACKEND=cuda tests/cuda/all_gpus.sh "$cnn" "$(n_gpus)" "$1" ;;
    *) all_gpus bench step resnet50 --batch 256 --steps 30 --warmup 10 --json --set "comm.backend=$1" --set "train.precision=$2" ;;
    esac
}

part_two_ranks() { on_ranks 2 bench step resnet50 --batch 64 --steps 20 --set backend=cuda --json; }

import_parts() { # ARCHIVE TO PART...: folders of classes in an archive
    local archive=$1 to=$2 work part
    shift 2
    work=$(mktemp -d)
    tar -xf "$archive" -C "$work"
    for part in "$@"; do
        "$cnn" dataset import folder "$(find "$work" -maxdepth 3 -type d -name "$part" | head -n 1)" --out "$to/$part"
    done
    rm -rf "$work"
}

part_data() { # CONFIG
    local data=${CNN_TEST_DATA:-} to=$out/data
    case $1 in
    fashion_mnist)
        [ -e "$data/fashion-mnist/train-images-idx3-ubyte.gz" ] || absent "no fashion-mnist in CNN_TEST_DATA"
        CNN_DIST=$cnn OUT=$to/fashion_mnist datasets/fashion_mnist.sh "$data/fashion-mnist"
        ;;
    cifar10)
        if [ -d "$data/cifar-10-batches-bin" ]; then
            CNN_DIST=$cnn OUT=$to/cifar10 datasets/cifar10.sh "$data/cifar-10-batches-bin"
            return
        fi
        [ -e "$data/cifar10-jpg.tar.xz" ] || absent "no CIFAR-10 in CNN_TEST_DATA"
        import_parts "$data/cifar10-jpg.tar.xz" "$to/cifar10" train test
        ;;
    imagenette)
        [ -e "$data/imagenette224.tar" ] || absent "no imagenette224.tar in CNN_TEST_DATA"
        import_parts "$data/imagenette224.tar" "$to/imagenette" train val
        ;;
    esac
}

# JPEGs to batches: how fast, and what bounds it.
part_loader() {
    [ -d "$out/data/$1/train" ] || absent "data-$1 made no dataset"
    "$cnn" bench loader "$out/data/$1/train" --batches 200
}

# ResNet-50 fed by the real loader; lines of progress say what share of a step waited for data.
part_fed() { # PRECISION
    [ -d "$out/data/imagenette/train" ] || absent "data-imagenette made no dataset"
    rm -rf "$out/runs/fed-$1"
    "$cnn" train configs/resnet.yaml --set "run.name=fed-$1" --set "run.dir=$out/runs" --set backend=cuda \
        --set "data.train=$out/data/imagenette/train" --set "data.val=$out/data/imagenette/val" --set train.batch.micro=256 \
        --set "train.precision=$1" --set train.epochs=15 --set train.schedule.warmup="2 epochs" --set eval.every="15 epochs" \
        --set checkpoint.every="15 epochs" --set log.every=10
}

part_train() { # CONFIG PRECISION
    local run=$1-$2
    [ -d "$out/data/$1/train" ] || absent "data-$1 made no dataset"
    rm -rf "$out/runs/$run"
    "$cnn" train "configs/$1.yaml" --set "run.name=$run" --set "run.dir=$out/runs" --set backend=cuda \
        --set "data.train=$out/data/$1/train" --set "data.val=$out/data/$1/test" --set "train.precision=$2"
    grep '"kind":"eval"' "$out/runs/$run/metrics.jsonl" | tail -n 1
}

part_bench() { # ARCH PRECISION
    "$cnn" bench step "$1" --batch 256 --steps 30 --warmup 10 --set backend=cuda --set "train.precision=$2" --profile \
        >"$out/profile-$1-$2.out" 2>"$out/profile-$1-$2.txt" || true
    "$cnn" bench step "$1" --batch 256 --steps 50 --warmup 10 --set backend=cuda --set "train.precision=$2" --json
}

part_torch() { # ARCH PRECISION eager|compiled
    local amp=$2 python=${PYTHON:-python3} how=(--channels-last)
    [ "$3" = eager ] || how+=(--compile)
    [ -e "${PEERS:-}/torch_step.py" ] || absent "no torch_step.py in PEERS"
    "$python" -c 'import torch, torchvision' 2>/dev/null || absent "$python has no torch and torchvision"
    [ "$amp" = tf32 ] && amp=none
    "$python" "$PEERS/torch_step.py" --device cuda --arch "$1" --batch 256 --steps 50 --warmup 10 --amp "$amp" "${how[@]}"
}

# ---- running them

case ${1:-} in
--list)
    printf '%s\n' "${parts[@]}"
    exit 0
    ;;
--part) # one of them, started by the loop below
    out=$2
    IFS=- read -r -a words <<<"$3"
    "part_${words[0]}" "${words[@]:1}"
    exit 0
    ;;
"" | -*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self" >&2
    exit 2
    ;;
esac

out=$(cd "$started_in" && realpath -m "$1")
mkdir -p "$out"
shift
wanted=("$@")
failed=0

is_wanted() {
    local pattern
    [ "${#wanted[@]}" -gt 0 ] || return 0
    for pattern in "${wanted[@]}"; do
        # shellcheck disable=SC2053 # a pattern is meant
        [[ $1 == $pattern ]] && return 0
    done
    return 1
}

run_part() { # PART
    local part=$1 begun=$SECONDS status=0 result
    timeout --kill-after=30 "$(limit_of "$part")" "$self" --part "$out" "$part" >"$out/$part.log" 2>&1 </dev/null ||
        status=$?
    case $status in
    0) result=ok ;;
    77) result=skipped ;;
    124 | 137) result="FAILED: out of time" ;;
    *) result="FAILED: status $status" ;;
    esac
    [[ $result != FAILED* ]] || failed=$((failed + 1))
    printf '%-26s %-22s %5d s  %s\n' "$part" "$result" $((SECONDS - begun)) \
        "$(grep -v '^ *$' "$out/$part.log" | tail -n 1 | cut -c 1-400)" | tee -a "$out/summary.txt"
}

: >"$out/summary.txt"
for part in "${parts[@]}"; do
    if is_wanted "$part"; then run_part "$part"; fi
done
echo "$failed failed" | tee -a "$out/summary.txt"
[ "$failed" -eq 0 ]
