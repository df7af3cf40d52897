#!/bin/sh
# Runs a program on N ranks of this machine:  run_ranks.sh N PROGRAM [ARGS...]
# More ranks than processors, and running as root (containers, CI), are fine. The ranks are not bound to processors.
# Exits with the program's status as mpirun reports it. MPIRUN names another mpirun, RANKS_TIMEOUT (seconds, default 120)
# bounds the run.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: run_ranks.sh N PROGRAM [ARGS...]" >&2
    exit 2
fi
ranks=$1
shift
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# Open MPI never frees some memory and unloads its plugins before a leak check at exit could tell it from ours. Programs
# that want a check call it before they leave the job (mpi_test.h does).
# Stacks are unwound the slow way: where the C library comes without symbols, the fast way ends in it, and what Open MPI
# holds could not be told by the name of its library.
export ASAN_OPTIONS="leak_check_at_exit=0:fast_unwind_on_malloc=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"

exec timeout --kill-after=10 "${RANKS_TIMEOUT:-120}" \
    "${MPIRUN:-mpirun}" --oversubscribe --bind-to none -np "$ranks" "$@"
