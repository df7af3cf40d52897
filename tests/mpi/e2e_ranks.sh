#!/usr/bin/env bash
# The number of ranks changes nothing: the same weights bit for bit, the same counts in evaluation.
. "$(dirname "$0")/e2e.sh"
make_data
# 8 micro-batches a step: 8, 4, 2 and 1 a rank
cut=(--set train.batch.global=64 --set train.batch.micro=8 --set train.epochs=5)
same_weights() { cmp "$(last_checkpoint "$1")" "$(last_checkpoint "$2")" || fail "$1 and $2 end in different checkpoints"; }

for n in 1 2 4 8; do
    expect 0 train $n ranks$n "${cut[@]}" --set eval.every=never
    close_losses ranks1 ranks$n 20 1e-12
    same_weights ranks1 ranks$n
done
export CNN_COMM_EXCHANGE=messages
expect 0 train 4 messages "${cut[@]}" --set eval.every=never
unset CNN_COMM_EXCHANGE
same_weights ranks1 messages
# 3 micro-batches a rank are no power of two: sums are rounded otherwise, and drift begins
uneven=(--set train.batch.global=48 --set train.batch.micro=8 --set train.epochs=2 --set eval.every=never)
expect 0 train 1 uneven1 "${uneven[@]}"
expect 0 train 2 uneven2 "${uneven[@]}"
close_losses uneven1 uneven2 3 1e-4

say "with the statistics of all ranks, two micro-batches of 8 are one of 16"
synced=(--set train.batch.global=16 --set train.epochs=1 --set train.schedule.rate=0.002
        --set train.sync_batch_norm=true --set eval.every=never)
expect 0 train 1 whole "${synced[@]}" --set train.batch.micro=16
expect 0 train 2 synced2 "${synced[@]}" --set train.batch.micro=8
expect 0 train 4 synced4 "${synced[@]}" --set train.batch.micro=4
expect 0 train 2 unsynced "${synced[@]}" --set train.batch.micro=8 --set train.sync_batch_norm=false
# Sums over 16 and over 4 x 4 pictures are rounded otherwise. From the first relu that this turns, about step 4, runs part.
for n in 2 4; do
    close_losses whole synced$n 2 1e-7
    close_losses whole synced$n 3 1e-6
done
largest_difference whole unsynced 4 | awk '{ exit !($1 > 1e-3) }' || fail "the same losses without them, too"

say "a checkpoint of 2 ranks goes on with 1 and with 4"
expect 0 train 2 half "${cut[@]}" --set train.epochs=5
for n in 1 4; do
    expect 0 train $n on$n --resume "$(realpath "$(last_checkpoint half)")" "${cut[@]}" --set train.epochs=10
    [ "$(losses on$n | head -n 1 | cut -d' ' -f1)" = 21 ] || fail "the run on $n ranks did not begin at step 21"
done
close_losses on1 on4 20 1e-12
same_weights on1 on4

say "micro: auto stays what the checkpoint was made with"
expect 0 train 2 auto --set train.batch.micro=auto --set train.epochs=1
expect 0 train 1 auto --set train.batch.micro=auto --set train.epochs=2
grep -q "1 rank x 2 micro-batches x 16" auto/runs/tiny/log.txt || fail "the micro-batch changed with the ranks"

say "evaluation counts every record once"
counted() { sed -n 's/^ *"\(top1\|top5\|n\)": \([^,]*\).*/\1 \2/p'; }
# Rounding may differ with the batch, so the loss is compared to six digits.
loss_of() { sed -n 's/^ *"loss": \([^,]*\).*/\1/p' "$1"; }
run=$(realpath ranks1/runs/tiny)
ranks 1 eval "$run" --latest --json --batch 101 >one.json
[ "$(counted <one.json | grep -c .)" = 3 ] || fail "eval --json has no top1, top5 and n"
grep -q '"n": 101,' one.json || fail "not every record was counted"
for cut in "1 7" "2 8" "3 5" "4 32" "3 101"; do
    read -r n batch <<<"$cut"
    ranks "$n" eval "$run" --latest --json --batch "$batch" >other.json
    diff <(counted <one.json) <(counted <other.json) || fail "$n ranks with batches of $batch count differently"
    awk -v a="$(loss_of one.json)" -v b="$(loss_of other.json)" 'BEGIN { d = (a - b) / a; exit !(d < 1e-6 && d > -1e-6) }' ||
        fail "$n ranks with batches of $batch: another loss"
done

# Elsewhere both processors lay parameters out alike, and run together.
if grep -qw avx512dq /proc/cpuinfo; then
    say "ranks whose processors differ are told so"
    cat >mixed <<SH
#!/bin/sh
[ "\${OMPI_COMM_WORLD_RANK:-\$PMIX_RANK}" = 0 ] && ONEDNN_MAX_CPU_ISA=\$ISA_OF_RANK_0 || ONEDNN_MAX_CPU_ISA=AVX2
export ONEDNN_MAX_CPU_ISA
exec "$cnn" train tiny.yaml --set run.dir=mixed_runs --set train.epochs=2
SH
    chmod +x mixed
    train_mixed() { ISA_OF_RANK_0=$1 "$here/run_ranks.sh" 2 ./mixed >mixed.txt 2>&1; }
    expect 2 train_mixed AVX512_CORE
    grep -q "memory layout of the network differs.*set ONEDNN_MAX_CPU_ISA" mixed.txt || fail "$(cat mixed.txt)"
    [ ! -e mixed_runs ] || fail "a run folder was made"
    expect 0 train_mixed AVX2
fi
