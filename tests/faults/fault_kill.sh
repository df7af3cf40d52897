#!/usr/bin/env bash
# Killed without warning, again and again, while every step saves: the run still ends as the unbroken one does.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data
# Long enough that a fast machine is still at it when the kill comes.
sed -i "s/epochs: 3/epochs: 10/" tiny.yaml
often=(--set checkpoint.every="1 steps" --set eval.every=never)

expect 0 train 2 whole "${often[@]}"
for round in 1 2 3 4; do
    start 2 killed "${often[@]}"
    wait_for_step killed $((round * 12))
    sleep "0.0$((RANDOM % 10))"
    mapfile -t pids < <(programs_below "$job")
    [ "${#pids[@]}" -gt 0 ] && kill -KILL "${pids[RANDOM % ${#pids[@]}]}"
    is=0
    wait "$job" || is=$?
    [ "$is" != 0 ] || fail "a job whose rank was killed ended well"
    say "killed after step $(steps_logged killed)"
done
expect 0 train 2 killed "${often[@]}"
same_end whole killed
left=$(find killed -name '.*tmp*')
[ -z "$left" ] || fail "left behind: $left"
