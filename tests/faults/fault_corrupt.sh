#!/usr/bin/env bash
# A damaged checkpoint is refused by name, and the one before it is used.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data

flip() { # FILE OFFSET: turns one bit
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "$(printf '\\%03o' $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

constant=(--set train.schedule.name=constant) # the rate does not depend on the length of the run
expect 0 train 1 whole "${constant[@]}"
expect 0 train 1 hurt "${constant[@]}" --set train.epochs=2
newest=$(last_checkpoint hurt)
flip "$newest" 600000
expect 0 train 1 hurt "${constant[@]}"
grep -q "refused: .*$(basename "$newest")" hurt/runs/tiny/log.txt || fail "the damaged file was not named"
cmp "$(last_checkpoint whole)" "$(last_checkpoint hurt)" || fail "the run did not end as the unbroken one"

say "a cut file"
truncate -s 1000 "$newest"
expect 2 "$cnn" eval "$newest" 2>cut.err
grep -q "$(basename "$newest")" cut.err || fail "the cut file was not named"

say "all of them damaged"
for file in hurt/runs/tiny/checkpoints/*.safetensors; do flip "$file" 500; done
expect 2 train 1 hurt "${constant[@]}"
grep -q "error: none of the .* checkpoints" hurt/err || fail "no clear error"

say "a damaged shard: the record is left out, and too many of them end the run"
flip data/train/train-00000-of-00001.h5 60000
expect 0 train 1 shard --set data.max_bad=10
grep -q '"event":"bad_records"' "$(metrics shard)" || fail "the bad record is not in metrics.jsonl"
expect 1 train 2 strict --set data.max_bad=0
[ "$(grep -c "cnn_dist: error:" strict/err)" = 1 ] || fail "the error was not printed once"

say "the limit counts the bad records of all ranks"
for offset in 70000 80000 90000; do flip data/train/train-00000-of-00001.h5 $offset; done
expect 0 train 2 four --set data.max_bad=4
grep -q '"kind":"epoch",.*"epoch":1,.*"bad_records":4' "$(metrics four)" || fail "the epoch does not count its bad records"
expect 1 train 2 three --set data.max_bad=3
grep -q "error: step .* 4 records of epoch 1 could not be used" three/err || fail "the limit was not held over ranks"
[ "$(grep -c "bad record in epoch" three/err)" = 4 ] || fail "not every bad record was named once"

say "so does that of an evaluation"
for offset in 10000 15000 30000; do flip data/val/val-00000-of-00001.h5 $offset; done
expect 0 train 2 tested --set data.max_bad=4 --set train.epochs=1
grep -q '"kind":"eval".*"n":98' "$(metrics tested)" || fail "the bad records were not left out"
expect 1 ranks 2 eval "$(realpath tested/runs/tiny)" --latest --set data.max_bad=2 2>limit.err
grep -q "error: .*3 records could not be used, more than data.max_bad 2" limit.err || fail "$(cat limit.err)"

say "a cut shard"
truncate -s 30000 data/train/train-00000-of-00001.h5
expect 2 train 1 cut
grep -q "train-00000-of-00001.h5" cut/err || fail "the cut shard was not named"
