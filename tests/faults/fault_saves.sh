#!/usr/bin/env bash
# The best network is on disk and is the best, also after going back; a disk that fails for a while does not end a run.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data
checkpoints() { echo "$1/runs/tiny/checkpoints"; }
named() { cat "$(checkpoints "$1")/$2"; } # FOLDER latest|best

# best_of FOLDER: the step of the highest top1 in metrics.jsonl, the first of equals
best_of() {
    sed -n 's/.*"kind":"eval".*"step":\([0-9]*\),.*"top1":\([^,]*\),.*/\1 \2/p' "$(metrics "$1")" |
        awk 'NR == 1 || $2 > most { most = $2; step = $1 } END { printf "step-%08d.safetensors\n", step }'
}

# best_is_there FOLDER: `best` and the last line name the best evaluation, and its checkpoint exists
best_is_there() {
    [ "$(named "$1" best)" = "$(best_of "$1")" ] || fail "$1: best is $(named "$1" best), evaluated best was $(best_of "$1")"
    [ -s "$(checkpoints "$1")/$(named "$1" best)" ] || fail "$1: $(named "$1" best) is not on disk"
    [ "$(sed -n 's/.*"best_step":\([0-9]*\).*/\1/p' "$(metrics "$1")" | tail -n 1)" = \
        "$(sed 's/step-0*\([0-9]*\).*/\1/' "$(checkpoints "$1")/best")" ] || fail "$1: the end names another best step"
}

say "evaluations between checkpoints"
seldom=(--set eval.every="3 steps" --set checkpoint.every="1000 steps" --set checkpoint.keep=1)
expect 0 train 1 between "${seldom[@]}"
best_is_there between
expect 0 "$cnn" eval between/runs/tiny --json >eval.json 2>eval.err
top1=$(sed -n 's/.*"kind":"eval".*"top1":\([^,]*\),.*"best":true.*/\1/p' "$(metrics between)" | tail -n 1)
grep -q "\"top1\": ${top1:0:10}" eval.json || fail "eval of the run folder is not of its best network: $(cat eval.json), not $top1"

say "killed at any time: the resumed run ends with the same best"
start 1 killed "${seldom[@]}"
wait_for_step killed 8
kill -KILL "$(programs_below "$job")"
wait "$job" || true
expect 0 train 1 killed "${seldom[@]}"
same_end between killed
best_is_there killed
cmp "$(checkpoints between)/$(named between best)" "$(checkpoints killed)/$(named killed best)" ||
    fail "the best checkpoints differ"

say "back to an earlier checkpoint: best and latest name what is there"
often=(--set eval.every="3 steps" --set checkpoint.every="3 steps" --set checkpoint.keep=100)
expect 0 train 1 back "${often[@]}"
for round in 1 2 3; do
    expect 0 train 1 back "${often[@]}" --resume "$work/$(checkpoints back)/step-0000000$((3 * round)).safetensors"
    best_is_there back
    [ "$(named back latest)" = step-00000024.safetensors ] || fail "latest is $(named back latest)"
done
set_aside=$(find "$(checkpoints back)" -name '*.set-aside' | wc -l)
[ "$set_aside" -le 8 ] || fail "$set_aside files were set aside in three rounds of at most 7 later checkpoints"

say "checkpoints cannot be written for a while: reported, tried again, and the run ends as the unbroken one"
sed -i "s/epochs: 3/epochs: 10/" tiny.yaml
expect 0 train 2 whole
start 2 away
wait_for_step away 3
mv "$(checkpoints away)" gone
wait_for_step away 40
mv gone "$(checkpoints away)"
expect 0 wait "$job"
grep -q '"event":"checkpoint_failed","message":"the checkpoint of step .* was not saved: .*trying again' "$(metrics away)" ||
    fail "the failed save is not in metrics.jsonl"
same_end whole away
[ -s "$(checkpoints away)/$(named away best)" ] || fail "best names $(named away best), which is not there"

say "and where it stays so, the run ends with exit status 1 and what it saved before"
start 2 lost
wait_for_step lost 12
mv "$(checkpoints lost)" gone
expect 1 wait "$job"
grep -q "cnn_dist: error: the last checkpoint, of step 80, could not be saved: " lost/err || fail "$(tail -n 3 lost/err)"
[ "$(grep -c "cnn_dist: error:" lost/err)" = 1 ] || fail "the error was not printed once"
mv gone "$(checkpoints lost)"
expect 0 train 2 lost
same_end whole lost

