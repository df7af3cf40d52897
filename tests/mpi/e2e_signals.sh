#!/usr/bin/env bash
# Signals: a run that is stopped early, whose terminal is closed or whose reader has left keeps its work.
#   e2e_signals.sh PROGRAM CLOSE_TERMINAL
. "$(dirname "$0")/e2e.sh"
close_terminal=$(realpath "$2")
make_data
# Long enough that a fast machine is still at it when the signal comes.
sed -i "s/epochs: 3/epochs: 40/" tiny.yaml
no_eval=(--set eval.every=never)

# begin FOLDER: the program itself in the background, without mpirun; $pid is the run
begin() {
    mkdir -p "$1"
    (cd "$1" && exec "$cnn" train "$work/tiny.yaml" "${no_eval[@]}") >"$1/out" 2>"$1/err" &
    pid=$!
}

# wait_for_program PID: until the shell's copy has become the program, and its main has been entered
wait_for_program() {
    for _ in $(seq 1 500); do
        [ "$(readlink "/proc/$1/exe")" = "$cnn" ] && grep -q '^SigCgt:.*[2367abef]..$' "/proc/$1/status" && return 0
        sleep 0.002
    done
    fail "process $1 handles no signals"
}

for signal in USR1 TERM HUP INT; do
    say "SIG$signal before the first step: exit code 75, and it says so"
    begin "early$signal"
    wait_for_program "$pid"
    kill "-$signal" "$pid"
    expect 75 wait "$pid"
    grep -q "received SIG$signal" "early$signal/err" || fail "the signal is not named: $(cat "early$signal/err")"
    [ "$(steps_logged "early$signal")" -le 1 ] || fail "trained on for $(steps_logged "early$signal") steps"
done

say "the same of one of two ranks, while it joins the job: MPI loads its plugins"
start 2 early2 "${no_eval[@]}"
pids=()
while [ "${#pids[@]}" -lt 2 ]; do mapfile -t pids < <(programs_below "$job"); done
for _ in $(seq 1 500); do
    grep -q '/mca_' "/proc/${pids[1]}/maps" && break
    sleep 0.002
done
kill -USR1 "${pids[1]}"
expect 75 wait "$job"
grep -q "received SIGUSR1" early2/err || fail "the signal is not named: $(cat early2/err)"

say "SIGUSR1 and SIGHUP in the middle save a checkpoint; under nohup SIGHUP is ignored"
begin middle
wait_for_step middle 3
kill -HUP "$pid"
expect 75 wait "$pid"
[ -s "$(last_checkpoint middle)" ] || fail "no checkpoint"
mkdir hup
(cd hup && exec nohup "$cnn" train "$work/tiny.yaml" "${no_eval[@]}") >hup/out 2>hup/err &
pid=$!
wait_for_step hup 3
kill -HUP "$pid"
sleep 0.3
kill -USR1 "$pid"
expect 75 wait "$pid"
grep -q "received SIGUSR1" hup/err || fail "nohup did not keep SIGHUP away"

say "a closed terminal saves a checkpoint"
mkdir terminal
expect 75 env -C terminal "$close_terminal" "epoch 1 " "$cnn" train "$work/tiny.yaml" "${no_eval[@]}"
grep -q "received SIGHUP" "terminal/runs/tiny/log.txt" || fail "SIGHUP is not in the log"
[ -s "$(last_checkpoint terminal)" ] || fail "no checkpoint"

say "readers of stdout and stderr that leave: the run is trained to its end, and log.txt is whole"
mkdir piped
(
    cd piped
    is=0
    "$cnn" train "$work/tiny.yaml" --set train.epochs=2 2>&1 || is=$?
    echo "$is" >status
) | head -n 1 >/dev/null
for _ in $(seq 1 600); do
    [ -s piped/status ] && break
    sleep 0.05
done
[ "$(cat piped/status)" = 0 ] || fail "exit status $(cat piped/status) after the reader left"
grep -q "done after step 16" piped/runs/tiny/log.txt || fail "log.txt ends early: $(tail -n 1 piped/runs/tiny/log.txt)"

say "a result that cannot be written whole is an error; a reader that leaves ends other commands without a word"
is=0
"$cnn" config schema >/dev/full 2>full.err || is=$?
[ "$is" = 1 ] || fail "config schema to a full disk: exit status $is"
grep -q "cannot write the result to standard output" full.err || fail "no message: $(cat full.err)"
{ sleep 0.2; "$cnn" config schema 2>left.err || echo "$?" >left.status; } | true
for _ in $(seq 1 200); do
    [ -s left.status ] && break
    sleep 0.02
done
[ "$(cat left.status)" = 141 ] || fail "exit status $(cat left.status) instead of SIGPIPE's"
[ ! -s left.err ] || fail "a message about SIGPIPE: $(cat left.err)"

say "other commands end as the signal says"
mkfifo never
"$cnn" config check never 2>/dev/null &
pid=$!
until [ "$(readlink "/proc/$pid/exe")" = "$cnn" ]; do sleep 0.01; done
sleep 0.05
kill -TERM "$pid"
expect 143 wait "$pid"
