#!/usr/bin/env bash
# However a job of several ranks ends, its folder says so, and a rank that only saves is not considered lost.
#   fault_ends.sh PROGRAM [FAULT_AT.so]      without the library (fault_at.c) the slow save is left out
. "$(dirname "$0")/../mpi/e2e.sh"
slow=${2:-}
make_data
sed -i "s/epochs: 3/epochs: 1000/" tiny.yaml
host=$(hostname)
quick=(--set comm.timeout_s=1 --set eval.every=never)

last_line() { tail -n 1 "$(metrics "$1")"; }
has() { grep -Eq "$2" <<<"$1" || fail "no '$2' in: $1"; }

say "a rank that stands still"
start 2 stopped "${quick[@]}"
wait_for_step stopped 5
mapfile -t pids < <(programs_below "$job")
kill -STOP "${pids[1]}"
is=0
wait "$job" || is=$?
[ "$is" = 1 ] || fail "exit status $is"
has "$(last_line stopped)" '"kind":"end","time":"20[-0-9]*T[0-9:.]*Z".*"status":"failed","message":".*rank [01] on '"$host"' waited .* for rank [01] on '"$host"', in .*step'
has "$(cat stopped/err)" "waiting [0-9.]* s for rank [01] on $host, in .*step"
has "$(tail -n 1 stopped/runs/tiny/log.txt)" "waited .* for rank [01] on $host"

say "a rank that is killed: the launcher ends the others"
start 2 killed "${quick[@]}" --set comm.timeout_s=60
wait_for_step killed 5
for pid in $(programs_below "$job"); do
    grep -qz OMPI_COMM_WORLD_RANK=1 "/proc/$pid/environ" && kill -KILL "$pid"
done
wait "$job" && fail "the job ended well"
has "$(last_line killed)" '"kind":"end".*"status":"failed","message":"received SIGTERM while waiting .* for rank 1 on '"$host"', in '

say "all are killed: the next job notes it"
start 2 gone "${quick[@]}"
wait_for_step gone 7
for pid in $(programs_below "$job"); do
    kill -KILL "$pid"
done
wait "$job" && fail "the job ended well"
sed -i "s/epochs: 1000/epochs: 2/" tiny.yaml
SLURM_JOB_ID=4711 expect 0 train 2 gone "${quick[@]}" --set comm.timeout_s=60
has "$(cat "$(metrics gone)")" '"event":"unended"'
grep -q "the previous job ended without saying so" gone/runs/tiny/log.txt || fail "log.txt does not say it"
starts=$(grep '"kind":"start"' "$(metrics gone)")
[ "$(wc -l <<<"$starts")" = 2 ] || fail "not two starts: $starts"
has "$(tail -n 1 <<<"$starts")" '"time":"20.*"host_ranks":"'"$host"' 0-1","job":"4711"'
grep -v '"time":"20[-0-9]*T[0-9:]*\.[0-9][0-9][0-9]Z"' "$(metrics gone)" && fail "lines without a time"

[ -n "$slow" ] || exit 0
say "a save that takes longer than the limit"
LD_PRELOAD=$slow FAULT_FSYNC_S=1 expect 0 train 2 slow "${quick[@]}" --set checkpoint.every="4 steps" --set train.epochs=1
has "$(last_line slow)" '"status":"done"'
has "$(cat slow/err)" "rank 0 on $host, in .*it has been saving a checkpoint for"
[ -e "$(last_checkpoint slow)" ] || fail "no checkpoint"
