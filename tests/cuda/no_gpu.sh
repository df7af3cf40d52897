#!/usr/bin/env bash
# The program where it sees no GPU:   no_gpu.sh PROGRAM
# Asked for one it says what is missing, changes nothing and ends with status 2; left to choose it trains on the CPU.
# shellcheck source=tests/mpi/e2e.sh
. "$(dirname "$0")/../mpi/e2e.sh"
export CUDA_VISIBLE_DEVICES=
make_data
sed -i '/^backend:/d' tiny.yaml

say "backend: cuda"
expect 2 train 1 asked --set backend=cuda
[ "$(grep -c "backend: cuda: " asked/err)" = 1 ] || fail "not one line that says what is missing: $(cat asked/err)"
grep -q "use backend: cpu" asked/err || fail "no way out was named"
[ ! -e asked/runs ] || fail "a run folder was made all the same"

say "backend: auto"
expect 0 train 1 auto --set train.epochs=1
grep -q '"kind":"start".*"cpu: ' "$(metrics auto)" || fail "metrics.jsonl does not say that the CPU computed"
expect 0 "$cnn" version >version.txt
grep -q '^cpu: ' version.txt || fail "version does not say what would compute"

say "bench step"
expect 2 "$cnn" bench step resnet20 --set backend=cuda 2>bench.err
grep -q "backend: cuda: " bench.err || fail "bench does not say what is missing"
