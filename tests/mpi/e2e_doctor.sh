#!/usr/bin/env bash
# doctor on one rank and on two: what it prints, how it ends, and that it leaves nothing behind.
. "$(dirname "$0")/e2e.sh"
json=$(realpath "${2:?usage: $0 PROGRAM JSON_CHECK}")

# has FILE PATTERN...: lines that begin so
has() {
    local file=$1 pattern
    shift
    for pattern in "$@"; do
        grep -q "^$pattern" "$file" || { cat "$file" && fail "no line '$pattern'"; }
    done
}
has_not() { lacks "$1" "$2" || fail "$1 has '$2'"; }
count() { grep -c "^\[$2" "$1" || true; }

# sums_up FILE: the last line counts the others, and every line is a verdict
sums_up() {
    local warnings failed words=warnings
    warnings=$(count "$1" warn)
    failed=$(count "$1" fail)
    [ "$warnings" = 1 ] && words=warning
    [ "$(tail -n 1 "$1")" = "$(count "$1" ok) ok, $warnings $words, $failed failed" ] || fail "$(tail -n 1 "$1")"
    [ "$(grep -cv '^\[\(ok\|warn\|fail\)\] ' "$1")" = 1 ] || fail "$1 has a line that is no verdict"
}

say "one rank"
mkdir place
expect 0 "$cnn" doctor --dir place >one 2>err
sums_up one
has one '\[ok\]   cnn_dist ' '\[ok\]   oneDNN ' '\[ok\]   HDF5 ' '\[ok\]   Open MPI ' '\[ok\]   libpng ' \
    '\[ok\]   backend cpu: ' '\[....* GPU' '\[ok\]   program: version ' '\[ok\]   one rank, started without mpirun' \
    '\[....* /dev/shm' "\[....* disk of $work/place: " '\[....* disk writes ' '\[....* disk reads '
has_not one all-reduce
[ ! -s err ] || fail "something on stderr: $(cat err)"

say "a folder that is not there is not made"
expect 0 "$cnn" doctor --dir place/a/b >absent 2>err
has absent "\[....* disk of place/a/b (does not exist yet; would be created in $work/place): "
expect 0 "$cnn" doctor >default 2>err
has default "\[....* disk of runs (does not exist yet; would be created in $work): "
[ -z "$(ls -A place)" ] || fail "left behind: $(ls -A place)"
[ ! -e runs ] || fail "made runs"

say "a folder that cannot be written fails"
echo text >file
expect 1 "$cnn" doctor --dir file/runs >bad 2>err
sums_up bad
has bad '\[fail\] run folder file/runs: file is a file; choose another'
grep -q "1 check failed" err || fail "the error does not count: $(cat err)"
expect 1 "$cnn" doctor --dir /proc/runs >bad 2>err
has bad '\[fail\] run folder /proc/runs: cannot create a file in /proc: '

say "two ranks"
expect 0 ranks 2 doctor --dir place >two 2>err
sums_up two
has two '\[ok\]   2 ranks on 1 host, started by mpirun' '\[....* all-reduce of 1.00 KiB over 2 ranks' \
    '\[....* all-reduce of 25.00 MiB over 2 ranks' '\[ok\]   clock: within 2 s' \
    '\[ok\]   program: version .* as on rank 0'
has_not two 'ranks\? [0-9][-0-9, ]*: ' # both say the same
[ "$(grep -c 'HDF5' two)" = 1 ] || fail "what two ranks say alike is said twice"
expect 1 ranks 2 doctor --dir file/runs >bad 2>err
has bad '\[fail\] run folder file/runs'

say "what ranks say differently is told apart"
# A file that shares the program's name but not its bytes: the second rank's, told by its checksum.
cp "$cnn" other
echo >>other
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
expect 1 timeout 120 "${MPIRUN:-mpirun}" --oversubscribe --bind-to none \
    -np 2 "$cnn" doctor --dir place : -np 1 ./other doctor --dir place >mixed 2>err
has mixed '\[ok\]   ranks 0-1: program: version ' '\[fail\] rank 2: program: version .*install the same build'
CNN_COMM_RANKS_PER_HOST=1 expect 0 ranks 2 doctor --dir place >hosts 2>err
has hosts '\[ok\]   2 ranks on 2 hosts' '\[warn\] 2 hosts have only 1 name; give every host a unique name'

say "one JSON document"
same_as_text() { # JSON TEXT: the same number of each verdict, where speed does not decide
    [ "$("$json" failed <"$1")" = "$(count "$2" fail)" ] || fail "$1 counts other failures than $2"
}
expect 0 "$cnn" doctor --dir place --json >one.json 2>err
same_as_text one.json one
[ "$("$json" ranks hosts <one.json | paste -sd' ')" = "1 1" ] || fail "ranks and hosts"
"$json" checks <one.json | grep -q '"name":"libraries","findings":\[{"verdict":"ok","who":null,"found":"oneDNN ' ||
    fail "no libraries in the document"
expect 1 ranks 3 doctor --dir file/runs --json >three.json 2>err
same_as_text three.json bad
[ "$("$json" ranks <three.json)" = 3 ] || fail "ranks"
"$json" checks <three.json | grep -q '"verdict":"fail","who":null,"found":"run folder file/runs' ||
    fail "the failure is not in the document"
"$cnn" version --json | "$json" libraries | grep -q '"HDF5":"[0-9]' || fail "version --json has no libraries"

say "wrong usage"
expect 2 "$cnn" doctor --dri place >out 2>err
grep -q "did you mean --dir" err || fail "$(cat err)"
expect 2 "$cnn" doctor place >out 2>err
expect 2 "$cnn" doctor --dir "" >out 2>err
[ ! -s out ] || fail "wrong usage printed verdicts"
[ -z "$(ls -A place)" ] || fail "left behind: $(ls -A place)"
