#!/usr/bin/env bash
# Looking at datasets, and orders of records other than the full shuffle, on one and on several ranks.
. "$(dirname "$0")/e2e.sh"
make_data
"$cnn" dataset synth --out many --count 256 --side 16 --shard-records 20 >/dev/null 2>&1

say "every order gives the same losses on any number of ranks"
gentle=(--set data.train="$work/many" --set data.val= --set train.schedule.rate=0.0002 --set train.batch.global=64
    --set train.batch.micro=16 --set train.epochs=2)
orders=("data.shuffle=window data.window=3" "data.sampling=class_balanced" "data.repeats=4 data.shuffle=window")
for k in 0 1 2; do
    sets=()
    for word in ${orders[$k]}; do sets+=(--set "$word"); done
    for n in 1 2 4; do expect 0 train $n "order$k-$n" "${gentle[@]}" "${sets[@]}"; done
    close_losses "order$k-1" "order$k-2" 8 1e-4
    close_losses "order$k-1" "order$k-4" 8 1e-4
done
losses order0-1 >losses0
losses order1-1 >losses1
[ -s losses0 ] && [ -s losses1 ] && differ losses0 losses1 || fail "another order has the same losses"
expect 2 train 1 none --set data.repeats=3
grep -q "data.repeats 3 does not divide train.batch.global 32" none/err || fail "$(cat none/err)"

say "records that do not fill a step are counted"
short=(--set train.batch.global=48 --set train.epochs=1 --set data.val=)
expect 0 train 1 rest "${short[@]}"
grep -q "unused     16 of 256 records, different ones each epoch" rest/err || fail "$(cat rest/err)"
expect 0 train 1 same "${short[@]}" --set data.shuffle=none
grep -q "16 of 256 records are never trained on" same/err || fail "$(cat same/err)"
expect 0 train 1 even --set train.epochs=1 --set data.val=
lacks even/err "left out" || fail "$(cat even/err)"

say "info, stats and show"
"$cnn" dataset info many >info
grep -q "^records   256 in 13 shards" info || fail "$(cat info)"
grep -q "^       3  star  *26$" info || fail "$(cat info)"
"$cnn" dataset stats many >stats.yaml
"$cnn" config check stats.yaml >/dev/null 2>&1 || fail "what stats prints is no config: $(cat stats.yaml)"
"$cnn" dataset stats many --threads 1 >stats1
ranks 2 dataset stats many --threads 3 >stats3
[ -s stats1 ] && cmp stats1 stats3 || fail "stats differ with threads"
is_png() { [ "$(head -c 4 "$1" | tail -c 3)" = PNG ] || fail "$1 is no PNG"; }
"$cnn" dataset show many --out stored.png --rows 2 --cols 3 >/dev/null
"$cnn" dataset show --config tiny.yaml --out one.png --rows 2 --cols 3 >/dev/null
"$cnn" dataset show --config tiny.yaml --out again.png --rows 2 --cols 3 >/dev/null
"$cnn" dataset show --config tiny.yaml --out later.png --rows 2 --cols 3 --epoch 2 >/dev/null
is_png stored.png
is_png one.png
cmp one.png again.png || fail "the same epoch looks different"
differ one.png later.png || fail "another epoch looks the same"
expect 2 "$cnn" dataset show many --out x.png --class hart 2>class.err
grep -q "did you mean 'heart'" class.err || fail "$(cat class.err)"

say "bench loader, of a config and of a dataset"
"$cnn" bench loader tiny.yaml --batches 20 --json >bench.json
for key in images_per_s images_per_core_s read_us decode_us augment_us other_us cores_used queue open_s bound_by; do
    grep -q "\"$key\":" bench.json || fail "no $key in $(cat bench.json)"
done
ranks 2 bench loader many --batches 20 >bench.txt 2>/dev/null
grep -q "^bound by " bench.txt || fail "$(cat bench.txt)"

say "verify names the same records on any ranks and threads"
expect 0 "$cnn" dataset verify many >/dev/null
for s in 00002 00009; do printf 'damaged!' | dd of=many/many-$s-of-00013.h5 bs=1 seek=9000 conv=notrunc status=none; done
expect 2 "$cnn" dataset verify many --threads 1 >one.txt 2>/dev/null
[ "$(grep -c '^bad: ' one.txt)" -ge 2 ] || fail "$(cat one.txt)"
grep -q "256 records, .* bad$" one.txt || fail "$(cat one.txt)"
for cut in "1 3" "2 1" "3 2"; do
    read -r n threads <<<"$cut"
    expect 2 ranks "$n" dataset verify many --threads "$threads" >other.txt 2>/dev/null
    cmp one.txt <(grep -E '^bad: |^many: ' other.txt) || fail "$n ranks with $threads threads find something else"
done
expect 1 train 2 damaged "${gentle[@]}" --set data.max_bad=1
