#!/usr/bin/env bash
# sum_results.awk decides what the last line of tests/run.sh says: it must lose no failure.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

expect() { # WHAT SUMS, the log on standard input
    local sums
    sums=$(awk -f "$here/sum_results.awk" | tail -n 1)
    [ "$sums" = "$2" ] || { echo "$1: expected $2, got $sums"; exit 1; }
}

expect "cases of a program, one of them skipped" "2 0 1" <<'LOG'
1: [==========] Running 3 test(s).
1: [       OK ] a
1: [==========] 3 test(s) run.
1: [  PASSED  ] 2 test(s).
1: [  SKIPPED ] 1 test(s), listed below:
1: [  SKIPPED ] b
1/2 Test #1: base/test_file .......   Passed    0.02 sec
LOG
expect "a failing case" "1 1 0" <<'LOG'
1: [==========] tests: 2 test(s) run.
1: [  PASSED  ] 1 test(s).
1: [  FAILED  ] tests: 1 test(s), listed below:
1: [  FAILED  ] 1 test(s), listed below:
1:  1 FAILED TEST(S)
 1/20 Test  #1: base/test_file .......***Failed    0.02 sec
LOG
expect "a crash before the summary" "0 1 0" <<'LOG'
7: [==========] Running 3 test(s).
7: [       OK ] a
 3/20 Test  #7: base/test_file .......***Exception: SegFault  0.02 sec
LOG
expect "all cases pass, then it fails (a leak)" "0 1 0" <<'LOG'
7: [==========] 3 test(s) run.
7: [  PASSED  ] 3 test(s).
7: ERROR: LeakSanitizer
3/20 Test #7: base/test_file .......***Failed  0.02 sec
LOG
expect "several ranks speak: one test" "1 0 0" <<'LOG'
2: [==========] 3 test(s) run.
2: [==========] 3 test(s) run.
2: [  PASSED  ] 3 test(s).
2: [  PASSED  ] 3 test(s).
3/20 Test #2: mpi/test_mpi_comm-2 .......   Passed  0.02 sec
LOG
expect "other programs" "1 2 1" <<'LOG'
1: hello
1/4 Test #1: house/check_layers .......   Passed  0.02 sec
2/4 Test #2: house/check_style .......***Skipped  0.02 sec
3/4 Test #3: mpi/slow .......***Timeout  90.02 sec
4/4 Test #4: mpi/gone .......***Not Run  0.00 sec
LOG
expect "nothing" "0 0 0" </dev/null
echo "sum_results loses nothing"
