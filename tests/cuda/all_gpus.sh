#!/usr/bin/env bash
# A rank for each of several GPUs, whose gradients NCCL sums:   all_gpus.sh PROGRAM GPUS same|lost
#   same   two runs, and one that was stopped and goes on, end alike, byte for byte
#   lost   a rank that stands still is an error on all ranks within comm.timeout_s and some seconds
# With one GPU, exit status 77: skipped.
# shellcheck source=tests/mpi/e2e.sh
. "$(dirname "$0")/../mpi/e2e.sh"
n=$2
[ "$n" -gt 1 ] || exit 77
make_data
# A micro-batch of 8 a rank, and long enough that a GPU is still at it when the signal comes.
sed -i "s/global: 32/global: $((8 * n))/; s/epochs: 3/epochs: 40/" tiny.yaml

case $3 in
same)
    expect 0 train "$n" whole --set comm.backend=nccl
    expect 0 train "$n" again --set comm.backend=nccl
    same_end whole again
    start "$n" broken --set comm.backend=nccl
    wait_for_step broken 10
    kill -TERM "$(programs_below "$job" | head -n 1)"
    expect 75 wait "$job"
    say "stopped after step $(steps_logged broken)"
    expect 0 train "$n" broken --set comm.backend=nccl
    same_end whole broken
    ;;
lost)
    start "$n" lost --set comm.backend=nccl --set comm.timeout_s=10 --set train.epochs=1000
    wait_for_step lost 10
    lost=$(programs_below "$job" | tail -n 1)
    kill -STOP "$lost"
    since=$SECONDS status=0
    wait "$job" || status=$?
    kill -KILL "$lost" 2>/dev/null || true
    tail -n 5 lost/err
    [ "$status" -ne 0 ] || fail "a job without one of its ranks ended well"
    [ $((SECONDS - since)) -lt 60 ] || fail "the job ended only after $((SECONDS - since)) s"
    grep -qE "waited [0-9.]+ s for" lost/err || fail "no message says why"
    ;;
esac
