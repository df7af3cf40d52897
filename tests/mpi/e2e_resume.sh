#!/usr/bin/env bash
# A run that is told to stop at any step, saves, and goes on, ends as the unbroken run does: byte for byte.
. "$(dirname "$0")/e2e.sh"
make_data
# Long enough that a fast machine is still at it when the signal comes.
sed -i "s/epochs: 3/epochs: 10/" tiny.yaml
latest=50
[ "${CNN_TEST_BACKEND:-cpu}" = cpu ] || latest=20

# stop_and_go_on N WHOLE BROKEN ARGS...: one rank is told; which one, and when, is drawn anew each time
stop_and_go_on() {
    local n=$1 whole=$2 broken=$3 at pids
    shift 3
    at=$((RANDOM % latest + 2))
    start "$n" "$broken" "$@"
    wait_for_step "$broken" "$at"
    mapfile -t pids < <(programs_below "$job")
    [ "${#pids[@]}" = "$n" ] || fail "${#pids[@]} ranks found instead of $n"
    kill -TERM "${pids[RANDOM % n]}"
    expect 75 wait "$job"
    say "$n rank(s): stopped after step $(steps_logged "$broken")"
    grep -q '"kind":"end".*"status":"stopped"' "$(metrics "$broken")" || fail "the end is not in metrics.jsonl"
    expect 0 train "$n" "$broken" "$@"
    same_end "$whole" "$broken"
}

for n in 1 2; do
    expect 0 train $n whole$n
    stop_and_go_on $n whole$n broken$n
done

say "gradients of 16 bits: the same whichever way they go, and a run still learns"
sixteen=(--set comm.precision=bf16)
expect 0 train 2 bf16 "${sixteen[@]}"
stop_and_go_on 2 bf16 bf16broken "${sixteen[@]}"
CNN_COMM_EXCHANGE=messages expect 0 train 2 bf16messages "${sixteen[@]}"
same_end bf16 bf16messages
differ "$(last_checkpoint bf16)" "$(last_checkpoint whole2)" || fail "nothing was rounded"
losses bf16 | awk 'NR <= 8 { first += $2 } { last[NR % 8] = $2 }
    END { for (i in last) sum += last[i]; print "loss of an epoch from " first / 8 " to " sum / 8; exit !(sum < 0.97 * first) }' ||
    fail "the loss did not fall"

say "a stop at the end of an epoch puts the evaluation off, and it is made up for"
start 1 boundary --set eval.every="1 steps"
wait_for_step boundary 4
kill -TERM "$(programs_below "$job")"
expect 75 wait "$job"
expect 0 train 1 boundary --set eval.every="1 steps"
expect 0 train 1 often --set eval.every="1 steps"
same_end often boundary

say "a finished run has nothing left to do"
before=$(last_checkpoint whole1 | xargs md5sum)
expect 0 train 1 whole1
[ "$before" = "$(last_checkpoint whole1 | xargs md5sum)" ] || fail "a finished run was changed"

say "--resume none refuses a run that exists, FILE goes on from it"
expect 2 train 1 whole1 --resume none
grep -q "run.name" whole1/err || fail "no way out was named"
expect 0 train 1 fromfile --resume "$work/whole1/runs/tiny/checkpoints/step-00000075.safetensors"
cmp "$(last_checkpoint whole1)" "$(last_checkpoint fromfile)" || fail "going on from a file ends elsewhere"

say "a changed batch is refused, a changed length is not"
expect 2 train 1 whole1 --set train.batch.global=64 --set train.epochs=11
grep -q "train.batch.global was 32" whole1/err || fail "the changed batch was not named"
expect 0 train 1 whole1 --set train.epochs=11
[ "$(cat whole1/runs/tiny/checkpoints/latest)" = step-00000088.safetensors ] || fail "the longer run did not go on"
