#!/usr/bin/env bash
# fault_owner.sh PROGRAM [TIMES]: two runs started on one folder at once. One trains, as if it were alone; the other is
# refused. And who owns a folder after its process was killed or suspended.
. "$(dirname "$0")/../mpi/e2e.sh"
times=${2:-3}
make_data
folder=$work/both/runs/tiny

# told FOLDER: metrics.jsonl without times and rates
told() {
    sed -E 's/,"(images_per_s|step_s|data_wait_s|comm_wait_s|train_s|seconds|time|hosts|host|job)":("[^"]*"|\[[^]]*\]|[^,}]*)//g' "$(metrics "$1")" |
        grep -v '"kind":"checkpoint"'
}
# saved FOLDER: the checkpoints and their names, as sums
saved() { (cd "$1/runs/tiny/checkpoints" && md5sum ./*.safetensors && cat latest best); }

expect 0 train 1 alone
for i in $(seq "$times"); do
    rm -rf both
    [ $((i % 2)) = 1 ] || mkdir -p "$folder" # also where the folder is there already
    mkdir -p both first second
    (cd both && ranks 1 train "$work/tiny.yaml") >first/out 2>first/err &
    a=$!
    (cd both && ranks 1 train "$work/tiny.yaml") >second/out 2>second/err &
    b=$!
    is_a=0 is_b=0
    wait $a || is_a=$?
    wait $b || is_b=$?
    case $is_a,$is_b in
    0,2) refused=second ;;
    2,0) refused=first ;;
    *) fail "exit statuses $is_a and $is_b instead of 0 and 2: $(tail -n 2 first/err second/err)" ;;
    esac
    grep -Eq "cnn_dist: error: .*(is in use by process [0-9]+ on .*, last sign of life 20|another process trained in)" $refused/err ||
        fail "$(tail -n 3 $refused/err)"
    diff <(told alone) <(told both) || fail "time $i: metrics.jsonl is not that of an undisturbed run"
    diff <(saved alone) <(saved both) || fail "time $i: the checkpoints are not those of an undisturbed run"
    [ ! -e "$folder/owner" ] || fail "the owner file is still there"
    left=$(find both -name '.*tmp*' -o -name '*.after-*')
    [ -z "$left" ] || fail "left behind: $left"
done
say "$times times two at once: one trained each time"

say "a refused run touches nothing"
sed -i "s/epochs: 3/epochs: 30/" tiny.yaml
SLURM_JOB_ID=4711 start 1 busy
wait_for_step busy 3
pid=$(programs_below "$job")
kill -STOP "$pid" # so that nothing but the second run can change the folder; it waits for a sign of life
sum() { (cd busy/runs/tiny && find . -type f -newer config.yaml -o -type f | sort | xargs md5sum && ls -la --time-style=full-iso . checkpoints); }
before=$(sum)
mkdir -p refused
(cd busy && timeout -s KILL 60 "$cnn" train "$work/tiny.yaml" --set log.every=1) >refused/out 2>refused/err &
second=$!
sleep 1.5
[ "$before" = "$(sum)" ] || fail "the waiting run changed the folder: $(diff <(echo "$before") <(sum))"
kill -CONT "$pid"
expect 2 wait $second
grep -q "is in use by process $pid on $(hostname) (job 4711), last sign of life 20" refused/err || fail "$(cat refused/err)"
[ "$(grep -c "cnn_dist: error:" refused/err)" = 1 ] || fail "the error was not printed once"

say "killed: the next run resumes at once"
kill -KILL "$pid"
wait "$job" || true
[ -e busy/runs/tiny/owner ] || fail "a killed run cleaned up"
sed -i "s/epochs: 30/epochs: 3/" tiny.yaml
expect 0 train 1 busy
grep -q "took over run folder .* from process $pid on .*, which no longer runs" busy/err || fail "$(cat busy/err)"
grep -q "took over run folder" busy/runs/tiny/log.txt || fail "the log does not tell whom it was taken over from"

say "suspended, taken over, woken up: it stops and writes nothing more"
sed -i "s/epochs: 3/epochs: 30/" tiny.yaml
export CNN_OWNER_BEAT_S=0.05 # the folder is free after 30 of them
start 1 slept
wait_for_step slept 3
pid=$(programs_below "$job")
kill -STOP "$pid"
(cd slept && "$cnn" train "$work/tiny.yaml" --set train.epochs=3 --set train.schedule.name=constant) >heir.out 2>heir.err || fail "$(tail -n 3 heir.err)"
grep -q "took over run folder .* from process $pid on .*, last sign of life 20.*, and none in the last" heir.err || fail "$(cat heir.err)"
before=$(cd slept/runs/tiny && find . -type f -print0 | sort -z | xargs -0 md5sum)
kill -CONT "$pid"
expect 1 wait "$job"
grep -q "cnn_dist: error: .*run folder .* was taken over by a process that has ended since" slept/err || fail "$(tail -n 3 slept/err)"
[ "$before" = "$(cd slept/runs/tiny && find . -type f -print0 | sort -z | xargs -0 md5sum)" ] ||
    fail "a run that had lost its folder wrote to it"
