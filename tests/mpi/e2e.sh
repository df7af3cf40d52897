# Shared by the end-to-end tests: sourced with the program's path as $1. Makes a folder of its own, tiny datasets and a
# config for a run of a few seconds, and leaves nothing behind.
set -euo pipefail

cnn=$(realpath "${1:?usage: $0 PROGRAM}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d /tmp/cnn-e2e-XXXXXX)
# Threads of several ranks share few processors here: waiting must not burn them.
export OMP_WAIT_POLICY=passive
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

say() { echo "--- $*"; }

# make_data: 256 pictures to train on and 101 (odd on purpose) to evaluate on, and tiny.yaml. In the environment,
# CNN_TEST_BACKEND=cuda puts runs on GPUs, and CNN_TEST_ARCH names a smaller network for builds that are slow.
make_data() {
    "$cnn" dataset synth --out "$work/data/train" --count 256 --side 16 >/dev/null 2>&1
    "$cnn" dataset synth --out "$work/data/val" --count 101 --side 16 --first 1000 >/dev/null 2>&1
    cat >"$work/tiny.yaml" <<YAML
run: {name: tiny}
data: {train: $work/data/train, val: $work/data/val, threads: 1}
augment: {train: [random_crop: {size: 16, padding: 2}, flip_horizontal]}
model: {arch: ${CNN_TEST_ARCH:-resnet20}}
train:
  epochs: 3
  batch: {global: 32, micro: 8}
  threads: 1
  optimizer: {nesterov: true}
  schedule: {rate: 0.02, warmup: 4 steps}
checkpoint: {every: 5 steps}
log: {every: 1}
backend: ${CNN_TEST_BACKEND:-cpu}
YAML
}

# ranks N ARGS...: the program on N ranks
ranks() {
    local n=$1
    shift
    "$here/run_ranks.sh" "$n" "$cnn" "$@"
}

# train N FOLDER ARGS...: trains tiny.yaml on N ranks with FOLDER/runs/tiny as its run folder; says nothing
train() {
    local n=$1 folder=$2
    shift 2
    mkdir -p "$folder"
    (cd "$folder" && ranks "$n" train "$work/tiny.yaml" "$@") >>"$folder/out" 2>>"$folder/err"
}

# expect STATUS COMMAND...: runs it and checks how it ends
expect() {
    local wanted=$1 is=0
    shift
    "$@" || is=$?
    [ "$is" = "$wanted" ] || fail "exit status $is instead of $wanted: $*"
}

metrics() { echo "$1/runs/tiny/metrics.jsonl"; }

# differ A B: two files that can be read are not the same. `! cmp` also holds where one is missing.
differ() {
    local is=0
    cmp -s "$1" "$2" || is=$?
    [ "$is" = 1 ]
}

# lacks FILE PATTERN: a file that can be read has no such line. `! grep` also holds where it is missing.
lacks() {
    local is=0
    grep -q -e "$2" "$1" || is=$?
    [ "$is" = 1 ]
}

# losses FOLDER: "step loss" of every step
losses() { sed -n 's/.*"kind":"step".*"step":\([0-9]*\),"loss":\([^,]*\),.*/\1 \2/p' "$(metrics "$1")"; }

# story FOLDER: what metrics.jsonl tells, without the times and the events that differ from machine to machine
story() {
    grep -E '"kind":"(step|epoch|eval)"' "$(metrics "$1")" |
        sed -E 's/,"(time|images_per_s|step_s|data_wait_s|comm_wait_s|train_s|seconds)":[^,}]*//g'
}

# last_checkpoint FOLDER
last_checkpoint() { echo "$1/runs/tiny/checkpoints/$(cat "$1/runs/tiny/checkpoints/latest")"; }

# same_end A B: two runs ended in the same state, byte for byte, and tell the same story
same_end() {
    cmp "$(last_checkpoint "$1")" "$(last_checkpoint "$2")" || fail "$1 and $2 end in different checkpoints"
    [ -n "$(story "$1")" ] || fail "$1 tells no story"
    diff <(story "$1") <(story "$2") || fail "$1 and $2 tell different stories"
}

# largest_difference A B N: of the losses of the first N steps, relative
largest_difference() {
    join <(losses "$1" | head -n "$3" | sort) <(losses "$2" | head -n "$3" | sort) |
        awk '{ d = $2 - $3; if (d < 0) d = -d; d /= $2; if (d > most) most = d } END { printf "%.3g %d\n", most, NR }'
}

# close_losses A B N LIMIT
close_losses() {
    local most n
    read -r most n < <(largest_difference "$1" "$2" "$3")
    [ "$n" = "$3" ] || fail "$1 and $2 have only $n of $3 steps in common"
    awk -v a="$most" -v b="$4" 'BEGIN { exit !(a <= b) }' || fail "losses of $1 and $2 differ by $most, more than $4"
    say "$1 and $2: losses of the first $3 steps within $most"
}

steps_logged() { losses "$1" 2>/dev/null | wc -l; }

# wait_for_step FOLDER N: until N steps are logged
wait_for_step() {
    for _ in $(seq 1 3000); do
        [ "$(steps_logged "$1")" -ge "$2" ] && return 0
        sleep 0.02
    done
    fail "step $2 of $1 did not come"
}

# The processes of the program below PID, a line each.
programs_below() {
    local child
    for child in $(cat /proc/"$1"/task/"$1"/children 2>/dev/null); do
        if [ "$(readlink "/proc/$child/exe")" = "$cnn" ]; then
            echo "$child"
        else
            programs_below "$child"
        fi
    done
}

# start N FOLDER ARGS...: as train, in the background; $job is its process
start() {
    train "$@" &
    job=$!
}
