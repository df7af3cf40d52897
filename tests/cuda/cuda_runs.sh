#!/usr/bin/env bash
# Whole runs on a GPU:   cuda_runs.sh PROGRAM
# In fp32 the losses are the CPU's, in 16 bits near them; a recorded step does what a queued one does, bit for bit.
# Without a GPU, exit status 77: skipped; with CNN_TEST_NEEDS_GPU=1 that is a failure.
# shellcheck source=tests/mpi/e2e.sh
. "$(dirname "$0")/../mpi/e2e.sh"
if ! "$cnn" bench step resnet20 --batch 2 --steps 1 --warmup 0 --set backend=cuda >probe.out 2>&1; then
    cat probe.out >&2
    grep -q 'backend: cuda: ' probe.out && [ "${CNN_TEST_NEEDS_GPU:-0}" != 1 ] && exit 77
    fail "a step on the GPU"
fi
make_data

say "the CPU's losses"
expect 0 train 1 cpu --set backend=cpu
expect 0 train 1 fp32 --set backend=cuda --set train.precision=fp32
close_losses cpu fp32 8 1e-3
for precision in tf32 bf16 fp16; do
    expect 0 train 1 $precision --set backend=cuda --set train.precision=$precision
    close_losses cpu $precision 4 0.05
done

say "recorded and queued, again and again"
expect 0 train 1 again --set backend=cuda --set train.precision=bf16
same_end bf16 again
expect 0 train 1 queued --set backend=cuda --set train.precision=bf16 --set train.record=false
diff <(story bf16) <(story queued) || fail "a recorded step does something else than a queued one"

say "two ranks on one GPU"
expect 0 train 2 ranks --set backend=cuda --set train.precision=fp32
close_losses fp32 ranks 8 1e-3
