#!/usr/bin/env bash
# A disk that fills up while a checkpoint is saved: exit status 1, one clear line, and the last good checkpoint works.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data
mkdir small
if ! mount -t tmpfs -o size=6m tmpfs "$work/small" 2>/dev/null; then
    echo "skipped: mounting a small file system is not permitted here"
    exit 77
fi
trap 'umount "$work/small"; rm -rf "$work"' EXIT

expect 1 train 2 out --set run.dir="$work/small" --set checkpoint.every="1 steps" --set checkpoint.keep=100
grep -q "cnn_dist: error: .*No space left" out/err || fail "the full disk was not named"
[ "$(grep -c "cnn_dist: error:" out/err)" = 1 ] || fail "the error was not printed once"
latest=$work/small/tiny/checkpoints/$(cat "$work/small/tiny/checkpoints/latest")
expect 0 "$cnn" eval "$latest" >eval.out
left=$(find "$work/small" -name '.*tmp*')
[ -z "$left" ] || fail "left behind: $left"

say "with room again the run goes on from there"
mount -o remount,size=64m "$work/small"
expect 0 train 2 out --set run.dir="$work/small"
expect 0 train 2 whole
cmp "$work/small/tiny/checkpoints/step-00000024.safetensors" "$(last_checkpoint whole)" >/dev/null ||
    "$cnn" model export "$work/small/tiny/checkpoints/step-00000024.safetensors" --out a.st >/dev/null
