#!/usr/bin/env bash
# launch/mpirun.sh and launch/train.sbatch: what a stop, a closed terminal, a failure and scancel lead to. SLURM's commands
# are stand-ins; `srun` starts a single rank.
#   e2e_launch.sh PROGRAM CLOSE_TERMINAL
. "$(dirname "$0")/e2e.sh"
close_terminal=$(realpath "$2")
launch=$(realpath "$here/../../launch")
make_data
sed -i "s/epochs: 3/epochs: 40/" tiny.yaml
no_eval=(--set eval.every=never)
# mpirun.sh starts run_ranks.sh as its mpirun: root and few processors are fine.
cat >few_processors <<'SH'
#!/bin/sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=detect_leaks=0
exec mpirun --oversubscribe --bind-to none "$@"
SH
chmod +x few_processors
export MPIRUN=$work/few_processors

# begin FOLDER COMMAND...: in the background with SIGINT not ignored, as from a terminal; $pid is the command
begin() {
    local folder=$1
    shift
    mkdir -p "$folder"
    env -C "$folder" --default-signal=INT "$@" >"$folder/out" 2>"$folder/err" &
    pid=$!
}

for signal in INT TERM; do
    say "SIG$signal to mpirun.sh: a checkpoint and exit code 75"
    begin "$signal" "$launch/mpirun.sh" -np 2 "$cnn" train "$work/tiny.yaml" "${no_eval[@]}"
    wait_for_step "$signal" 3
    kill "-$signal" "$pid"
    expect 75 wait "$pid"
    grep -q "received SIGUSR1" "$signal/err" || fail "the ranks did not receive SIGUSR1: $(tail -n 3 "$signal/err")"
    [ -s "$(last_checkpoint "$signal")" ] || fail "no checkpoint"
done

say "a closed terminal: the same"
mkdir terminal
expect 75 env -C terminal "$close_terminal" "epoch 1 " "$launch/mpirun.sh" -np 2 "$cnn" train "$work/tiny.yaml" "${no_eval[@]}"
[ -s "$(last_checkpoint terminal)" ] || fail "no checkpoint"

say "a reader that leaves: trained to the end"
mkdir piped
(
    cd piped
    is=0
    "$launch/mpirun.sh" -np 2 "$cnn" train "$work/tiny.yaml" --set train.epochs=5 --set eval.every=never 2>&1 || is=$?
    echo "$is" >status
) | head -n 1 >/dev/null
for _ in $(seq 1 600); do
    [ -s piped/status ] && break
    sleep 0.05
done
[ "$(cat piped/status)" = 0 ] || fail "exit status $(cat piped/status) after the reader left"
grep -q '"kind":"end".*"status":"done"' "$(metrics piped)" || fail "the run is not done"

# Stand-ins: srun starts a rank, or looks whether nodes answer; scontrol tells the job's state and notes a requeue.
mkdir bin
cat >bin/srun <<SH
#!/usr/bin/env bash
for argument; do [ "\$argument" = true ] && exec test ! -e "$work/node_lost"; done
while [[ \$1 == --* ]]; do shift; done
exec "\$@"
SH
cat >bin/scontrol <<SH
#!/usr/bin/env bash
case \$1 in
show) cat "$work/job_state" ;;
requeue) echo "\$2" >>"$work/requeued" ;;
esac
SH
chmod +x bin/*
export PATH=$work/bin:$PATH SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=2 SLURM_CPUS_PER_TASK=1 CNN_DIST=$cnn
running="JobState=RUNNING Reason=None PreemptTime=None"

# job FOLDER STATE ARGS...: the batch script in the background
job() {
    local folder=$1
    echo "$2" >job_state
    rm -f requeued
    shift 2
    begin "$folder" "$launch/train.sbatch" "$work/tiny.yaml" "${no_eval[@]}" "$@"
}

say "the time limit comes near: the run saves, and the job is requeued"
job near "$running"
wait_for_step near 3
kill -USR1 "$pid"
expect 75 wait "$pid"
[ "$(cat requeued)" = 7 ] || fail "not requeued"
[ -s "$(last_checkpoint near)" ] || fail "no checkpoint"

# SLURM sends SIGTERM to the ranks as well as to the script.
for reason in "cancelled:JobState=COMPLETING Reason=None PreemptTime=None:" \
    "limit:JobState=COMPLETING Reason=TimeLimit PreemptTime=None:7" \
    "preempted:JobState=COMPLETING Reason=None PreemptTime=2026-01-31T12:00:00:7"; do
    IFS='|' read -r name state requeued < <(sed -E 's/:/|/; s/:([^:]*)$/|\1/' <<<"$reason")
    say "SIGTERM, job $name: requeued: ${requeued:-no}"
    job "$name" "$state"
    wait_for_step "$name" 3
    kill -TERM "$pid"
    mapfile -t ranks < <(programs_below "$pid")
    kill -TERM "${ranks[@]}"
    expect 75 wait "$pid"
    [ "$(cat requeued 2>/dev/null)" = "$requeued" ] || fail "requeued: '$(cat requeued 2>/dev/null)'"
done

say "a run that failed is requeued only if a node is lost; wrong input never"
job killed "$running"
wait_for_step killed 3
mapfile -t ranks < <(programs_below "$pid")
kill -KILL "${ranks[0]}"
expect 137 wait "$pid"
[ ! -e requeued ] || fail "a failed run was requeued"
touch node_lost
job lost "$running"
wait_for_step lost 3
mapfile -t ranks < <(programs_below "$pid")
kill -KILL "${ranks[0]}"
expect 137 wait "$pid"
[ "$(cat requeued)" = 7 ] || fail "not requeued although a node is lost"
job wrong "$running" --set train.epochs=five
expect 2 wait "$pid"
[ ! -e requeued ] || fail "wrong input was requeued"

say "a run that is done ends the job well"
job complete "$running" --set train.epochs=1
expect 0 wait "$pid"
[ ! -e requeued ] || fail "a run that is done was requeued"
