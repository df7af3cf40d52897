#!/usr/bin/env bash
# A disk that is full: saves that fail are reported and tried again, and training goes on. Where there is room again in
# time the run ends well; where there is none it ends with exit status 1, one clear line, and checkpoints that work.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data
mkdir small
if ! mount -t tmpfs -o size=200m tmpfs "$work/small" 2>/dev/null; then
    echo "skipped: mounting a small file system is not permitted here"
    exit 77
fi
trap 'umount "$work/small"; rm -rf "$work"' EXIT
checkpoints=$work/small/tiny/checkpoints
# disk_train N NAME ARGS...: trains with its run folder on the small disk
disk_train() { train "$1" "$2" --set run.dir="$work/small" "${@:3}"; }

# What undisturbed runs end with. The path of the run folder is in the config in each checkpoint, so it must be the same.
often=(--set checkpoint.every="1 steps" --set checkpoint.keep=100)
expect 0 disk_train 2 whole "${often[@]}"
mv "$checkpoints/step-00000024.safetensors" whole.safetensors
rm -rf "$work/small/tiny"
expect 0 disk_train 2 long --set train.epochs=10
mv "$checkpoints/step-00000080.safetensors" long.safetensors
rm -rf "$work/small/tiny"

mount -o remount,size=6m "$work/small"
expect 1 disk_train 2 out "${often[@]}"
grep -q "cnn_dist: error: the last checkpoint, of step 24, could not be saved: .*No space left" out/err || fail "$(tail -n 3 out/err)"
[ "$(grep -c "cnn_dist: error:" out/err)" = 1 ] || fail "the error was not printed once"
latest=$checkpoints/$(cat "$checkpoints/latest")
expect 0 "$cnn" eval "$latest" >eval.out
left=$(find "$work/small" -name '.*tmp*')
[ -z "$left" ] || fail "left behind: $left"

say "with room again the run resumes from there"
mount -o remount,size=64m "$work/small"
expect 0 disk_train 2 out "${often[@]}"
cmp "$checkpoints/step-00000024.safetensors" whole.safetensors ||
    fail "the resumed run ended elsewhere than the unbroken one"

say "a disk that is full to the last byte for a while: lines are missing from metrics.jsonl, which says so"
rm -rf "$work/small/tiny"
start 2 full --set run.dir="$work/small" --set train.epochs=10
here=$work/small/tiny/metrics.jsonl
until [ -s "$here" ] && [ "$(grep -c '"kind":"step"' "$here")" -ge 3 ]; do
    kill -0 "$job" || fail "the run ended: $(tail -n 3 full/err)"
    sleep 0.02
done
cat /dev/zero >"$work/small/ballast" 2>/dev/null || true # until it is full
until grep -q "metrics.jsonl: No space left.*training goes on" full/err; do
    kill -0 "$job" || fail "the run ended: $(tail -n 3 full/err)"
    sleep 0.02
done
rm "$work/small/ballast"
expect 0 wait "$job"
grep -q '"event":"metrics_gap","message":"[0-9]* lines* .* missing here: No space left' "$here" || fail "the gap is not marked"
[ "$(grep -c '^{.*}$' "$here")" = "$(wc -l <"$here")" ] || fail "half a line is in metrics.jsonl"
cmp "$checkpoints/step-00000080.safetensors" long.safetensors ||
    fail "the run ended elsewhere than the undisturbed one"
