#!/usr/bin/env bash
# Runs in bf16 on two ranks: they learn as runs in floats do, go on bit for bit where they were stopped, and say so
# where the processor cannot. Emulated on processors without bf16; skipped where oneDNN cannot do that either.
. "$(dirname "$0")/e2e.sh"
make_data
unset CNN_CPU_BF16

say "without a processor for it the run is refused, and nothing is written"
for_bf16=(--set train.precision=bf16)
ONEDNN_MAX_CPU_ISA=AVX2 expect 2 train 1 refused "${for_bf16[@]}"
grep -q "train.precision: bf16 needs a processor with AVX-512 BF16 or AMX" refused/err || fail "the reason was not told"
[ ! -e refused/runs/tiny ] || fail "a refused run left a folder"
expect 2 train 1 refused --set train.precision=fp16
grep -q "fp32 and bf16, not fp16" refused/err || fail "fp16 was not refused by name"

export CNN_CPU_BF16=emulate
if ! "$cnn" bench step resnet20 --batch 1 --steps 1 --warmup 0 "${for_bf16[@]}" >bench 2>&1; then
    grep -q "bf16 needs a processor" bench || fail "bench step in bf16: $(cat bench)"
    say "skipped: $(cat bench)"
    exit 77
fi
grep -q bf16 bench || fail "bench step does not say what it computes in"

say "two ranks learn as in floats"
expect 0 train 2 floats
expect 0 train 2 whole "${for_bf16[@]}"
close_losses floats whole 10 0.05

say "stopped and gone on, a run ends as the unbroken one does"
start 2 broken "${for_bf16[@]}"
wait_for_step broken 6
mapfile -t pids < <(programs_below "$job")
[ "${#pids[@]}" = 2 ] || fail "${#pids[@]} ranks found instead of 2"
kill -TERM "${pids[0]}"
expect 75 wait "$job"
expect 0 train 2 broken "${for_bf16[@]}"
same_end whole broken

say "with a loss scale of a power of two the losses are the same, and the scale is kept"
expect 0 train 2 scaled "${for_bf16[@]}" --set train.loss_scale.initial=1024 --set train.loss_scale.grow_after=8
close_losses whole scaled 10 0.001
grep -aq '"loss_scale":"[0-9]*"' "$(last_checkpoint scaled)" || fail "the checkpoint does not keep the loss scale"

say "its checkpoint holds floats: it is evaluated in fp32 too"
expect 0 "$cnn" eval whole/runs/tiny --json >in-bf16.json
expect 0 "$cnn" eval whole/runs/tiny --json --set train.precision=fp32 >in-fp32.json
