#!/usr/bin/env bash
# Phases with pictures of other sizes and other batches: the same weights for any number of ranks, a run that is cut off
# anywhere and goes on ends as the unbroken one, and mistakes are found before anything is written.
. "$(dirname "$0")/e2e.sh"
make_data
# 256 records: 2 epochs of 4 steps, 2 of 8, 1 of 8. Phases end after steps 8 and 24, the run after 32.
sed -i "s/epochs: 3/epochs: 5/" tiny.yaml
sed -i '/batch: {/a\  phases: [{until: 2 epochs, size: 12, batch: 64}, {until: 4 epochs, size: [14, 12], micro: 4}]' tiny.yaml
sed -i "s/warmup: 4 steps/warmup: 3 epochs, per_batch: 32/; s/every: 5 steps/every: 1 steps, keep: 100/" tiny.yaml
at() { echo "$work/$1/runs/tiny/checkpoints/step-000000$2.safetensors"; }

say "another number of ranks: the same weights"
for n in 1 2 4; do
    expect 0 train $n ranks$n
    cmp "$(at ranks1 32)" "$(at ranks$n 32)" || fail "$n ranks end elsewhere"
done
close_losses ranks1 ranks2 32 1e-12

say "epochs, evaluations, rates and log lines are where the phases put them"
steps_of() { sed -n "s/.*\"kind\":\"$1\".*\"step\":\([0-9]*\).*/\1/p" "$(metrics ranks1)" | tr '\n' ' '; }
[ "$(steps_of epoch)" = "4 8 16 24 32 " ] || fail "epochs end at $(steps_of epoch)"
[ "$(steps_of eval)" = "4 8 16 24 32 " ] || fail "evaluations are at $(steps_of eval)"
[ "$(losses ranks1 | wc -l)" = 32 ] || fail "not 32 steps"
[ "$(grep -c '"event":"phase"' "$(metrics ranks1)")" = 3 ] || fail "not every phase is in metrics.jsonl"
grep -q '"kind":"event",.*"epoch":3,"step":9,"event":"phase",.*"height":14,"width":12,"global_batch":32,"micro_batch":4,"steps_per_epoch":8,"rate":0.02}' \
    "$(metrics ranks1)" || fail "the second phase is not told: $(grep '"phase"' "$(metrics ranks1)")"
grep -q "phase      2 of 3: epochs 3 to 4, images of 14 x 12, batch 32 in micro-batches of 4, 8 steps per epoch, rate 0.02 = 0.02 x 32 / 32" \
    ranks1/runs/tiny/log.txt || fail "the second phase is not in the log"
rate_of() { sed -n "s/.*\"kind\":\"step\",.*\"epoch\":[0-9]*,\"step\":$1,.*\"lr\":\([^,]*\),.*/\1/p" "$(metrics ranks1)"; }
# Step 8 begins at epoch 1.75 of 3 of warm-up with twice the rate, step 9 at epoch 2, step 17 at epoch 3.
awk -v a="$(rate_of 8)" -v b="$(rate_of 9)" -v c="$(rate_of 17)" 'function near(x, y) { return x - y < 1e-9 && y - x < 1e-9 }
    BEGIN { exit !(near(a, 0.04 * 1.75 / 3) && near(b, 0.02 * 2 / 3) && near(c, 0.02)) }' ||
    fail "rates $(rate_of 8), $(rate_of 9), $(rate_of 17)"

say "going on from any step around the boundaries"
for step in 01 07 08 09 23 24 25 31; do
    expect 0 train 1 from$step --resume "$(at ranks1 $step)"
    cmp "$(at ranks1 32)" "$(at from$step 32)" || fail "resuming after step $step ends elsewhere"
done
cmp "$(at ranks1 24)" "$(at from08 24)" || fail "resuming after step 8 is elsewhere at the end of the phase"
expect 0 train 2 two08 --resume "$(at ranks1 08)"
cmp "$(at ranks1 32)" "$(at two08 32)" || fail "going on with 2 ranks ends elsewhere"

say "stopped while it runs, with an evaluation after every step"
expect 0 train 2 often --set eval.every="1 steps"
for step in 6 7 22 23; do
    start 2 stopped$step --set eval.every="1 steps"
    wait_for_step stopped$step $step
    mapfile -t pids < <(programs_below "$job")
    kill -TERM "${pids[0]}"
    expect 75 wait "$job"
    say "stopped after step $(steps_logged stopped$step)"
    expect 0 train 2 stopped$step --set eval.every="1 steps"
    same_end often stopped$step
    [ "$(grep -c '"event":"phase"' "$(metrics stopped$step)")" = 3 ] || fail "a phase is told twice or not at all"
done

say "killed while it runs"
start 1 killed
wait_for_step killed 8
kill -KILL "$(programs_below "$job")"
wait "$job" && fail "a killed run ended well"
expect 0 train 1 killed
same_end ranks1 killed

say "micro: auto stays what the checkpoint was made with, in all phases"
auto=(--set train.batch.micro=auto --set train.schedule.warmup=0 --set train.phases='[{until: 1 epoch, size: 12, batch: 64}, {until: 2 epochs, batch: 32}]')
expect 0 train 2 auto2 "${auto[@]}" --set train.epochs=3
expect 0 train 1 auto1 "${auto[@]}" --set train.epochs=3 --resume "$(at auto2 04)"
cmp "$(at auto2 20)" "$(at auto1 20)" || fail "the micro-batches changed with the ranks"

say "phases to come may be changed, those that are over may not"
changed=(--resume "$(at ranks1 12)" --set)
expect 0 train 1 later "${changed[@]}" 'train.phases=[{until: 2 epochs, size: 12, batch: 64}, {until: 3 epochs, size: [14, 12], micro: 4}]'
expect 2 train 1 over "${changed[@]}" 'train.phases=[{until: 1 epochs, size: 12, batch: 64}, {until: 4 epochs, size: [14, 12], micro: 4}]'
grep -q "train.phases: .* was written after step 12, before step 5 of epoch 3; this config gives another epoch for that step" over/err ||
    fail "phases that are over have no clear error"
expect 2 train 1 over "${changed[@]}" 'train.phases=[{until: 2 epochs, size: 12, batch: 64}, {until: 4 epochs, batch: 64}]'
grep -q "batch of the phase was 32 and is 64 now" over/err || fail "a changed batch has no clear error"

say "mistakes are found before anything is written"
# refused WORDS RANKS ARGS...
refused() {
    local words=$1 n=$2
    shift 2
    rm -rf bad
    expect 2 train "$n" bad "$@"
    grep -q -- "$words" bad/err || fail "'$words' is not in: $(cat bad/err)"
    [ ! -e bad/runs ] || fail "a refused run has written: $words"
}
refused "train.phases\[1\]: the phase ends after 2 epochs" 1 --set 'train.phases=[{until: 2 epochs}, {until: 2 epochs}]'
refused "train.phases\[1\], whose batch is 48: 6 micro-batches" 4 --set 'train.phases=[{until: 1 epochs}, {until: 2 epochs, batch: 48}]'
refused "phase 1: the micro-batch 8 (train.batch.micro) does not divide" 1 --set 'train.phases=[{until: 1 epochs, batch: 60}]'
refused "has no effect: augment.train needs" 1 --set 'augment.train=[flip_horizontal]'
refused "move the crop to the end" 1 --set 'augment.train=[random_crop: {size: 16, padding: 2}, pad: 2]'
refused "train.phases\[1\], whose batch is 512: the training set has 256 records" 1 \
    --set 'train.phases=[{until: 1 epochs}, {until: 2 epochs, batch: 512}]'
# A network that halves its pictures five times.
vgg=(--set model.arch=vgg11 --set 'augment.train=[resize_exact: 32]' --set 'augment.eval=[resize_exact: 32]')
refused "train.phases\[0\]: vgg11" 1 "${vgg[@]}" --set 'train.phases=[{until: 1 epochs, size: 16}]'
