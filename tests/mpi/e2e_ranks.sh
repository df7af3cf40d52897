#!/usr/bin/env bash
# The number of ranks changes nothing but summation order, in training, in evaluation and from one run to the next.
. "$(dirname "$0")/e2e.sh"
make_data
# The gentlest of runs: rounding errors grow with the rate, and ReLUs flip.
gentle=(--set train.schedule.rate=0.0002 --set train.batch.global=128 --set train.batch.micro=32 --set train.epochs=10)

for n in 1 2 4; do
    expect 0 train $n ranks$n "${gentle[@]}" --set eval.every=never
done
close_losses ranks1 ranks2 20 1e-4
close_losses ranks1 ranks4 20 1e-4

say "a checkpoint of 2 ranks goes on with 1 and with 4"
expect 0 train 2 half "${gentle[@]}" --set train.epochs=5
for n in 1 4; do
    expect 0 train $n on$n --resume "$(realpath "$(last_checkpoint half)")" "${gentle[@]}" --set train.epochs=10
    [ "$(losses on$n | head -n 1 | cut -d' ' -f1)" = 11 ] || fail "the run on $n ranks did not begin at step 11"
done
close_losses on1 on4 10 1e-4

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
