#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test:
#   tests/run.sh            1. everything, built as released, warnings being errors
#                           2. again with AddressSanitizer and UndefinedBehaviorSanitizer
#                           3. each fuzz target for a few seconds, where there is a clang with libFuzzer
# The last line sums it up: N passed, N failed, N skipped. Exit status 0 when nothing failed.
# Environment: CNN_TEST_DATA   folder with real datasets that some tests look for, skipped without it
#              JOBS            builds and tests at the same time (default: the processors)
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
jobs=${JOBS:-$(nproc)}
start=$SECONDS
passed=0 failed=0 skipped=0

say() { printf '\n== [%d:%02d] %s\n' $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) "$*"; }

# configure FOLDER OPTIONS...; the output is of interest only where it fails
configure() {
    local folder=$1 log
    shift
    mkdir -p "$folder"
    log=$folder/configure.log
    cmake -S . -B "$folder" -G Ninja -DCNN_WERROR=ON "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

# build FOLDER TARGETS...
build() {
    local folder=$1 log=$1/build.log
    shift
    cmake --build "$folder" -j "$jobs" -- "$@" >"$log" 2>&1 || { grep -v '^\[' "$log" | tail -n 100 >&2; return 1; }
}

# run_tests FOLDER [ctest arguments...]: one line a test while it runs, all output of those that fail, then the sums.
run_tests() {
    local folder=$1 log=$1/ctest.log sums
    shift
    : >"$log"
    ctest --test-dir "$folder" -V -j "$jobs" --timeout 900 "$@" >"$log" 2>&1 </dev/null &
    local ctest=$!
    tail -n +1 -f --pid=$ctest "$log" | grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test +#' || true
    local status=0 numbers
    wait $ctest || status=$?
    sums=$(awk -v details=1 -f "$root/tests/sum_results.awk" "$log")
    sed '$d' <<<"$sums"
    read -r -a numbers <<<"$(tail -n 1 <<<"$sums")"
    if [ "$status" -ne 0 ] && [ "${numbers[1]}" -eq 0 ]; then # ctest itself
        tail -n 5 "$log" >&2
        numbers[1]=1
    fi
    add "${numbers[@]}"
}

add() { # PASSED FAILED SKIPPED
    echo "passed $1, failed $2, skipped $3"
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

can_fuzz() {
    local folder
    command -v clang >/dev/null || return 1
    folder=$(mktemp -d)
    printf '#include <omp.h>\nint LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : omp_in_parallel(); }\n' \
        >"$folder/probe.c"
    local status=0
    clang -fopenmp -fsanitize=fuzzer,address,undefined "$folder/probe.c" -o "$folder/probe" >/dev/null 2>&1 || status=1
    rm -rf "$folder"
    return $status
}

say "packages"
launch/install_packages.sh

say "build: release"
configure build-test -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CUDA_ARCHITECTURES=80-real;90"
grep -m 1 '^-- GPUs: ' build-test/configure.log # with CUDA where it is installed, or why not
build build-test all

say "tests: release"
run_tests build-test

say "build: address and undefined-behaviour sanitizers"
# nvcc knows no sanitizers, and the driver's memory does not go with theirs
configure build-test-asan -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DCNN_SANITIZE=address,undefined \
    -DCNN_CUDA=OFF
build build-test-asan all

say "tests: address and undefined-behaviour sanitizers"
# What Open MPI and hwloc do not give back is named there, with reasons; everything else that leaks is a failure.
export LSAN_OPTIONS=suppressions=$root/tests/mpi/lsan.supp:print_suppressions=0
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
export CNN_TEST_ARCH=resnet8
# Emulated kernels go through memory alike in both types of 16 bits; products, which take minutes here, in all.
run_tests build-test-asan --exclude-regex '^(house|faults)/|^cuda/test_emulated_(.*-fp16|products-fp32)$'
unset LSAN_OPTIONS ASAN_OPTIONS UBSAN_OPTIONS CNN_TEST_ARCH

mapfile -t fuzzers < <(find tests/fuzz -name 'fuzz_*.c' -printf '%f\n' | sed 's/\.c$//' | sort)
if can_fuzz; then
    say "fuzz targets: ${fuzzers[*]}"
    configure build-test-fuzz -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DCNN_SANITIZE=address,undefined \
        -DCNN_FUZZ=ON -DCMAKE_C_COMPILER=clang -DCNN_CUDA=OFF
    build build-test-fuzz "${fuzzers[@]}"
    run_tests build-test-fuzz --tests-regex '^fuzz/'
else
    say "fuzz targets: skipped, there is no clang here with libFuzzer and OpenMP (clang libclang-rt-dev libomp-dev)"
    add 0 0 "${#fuzzers[@]}"
fi

say "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
