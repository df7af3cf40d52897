#!/bin/sh
# expect_failure.sh LIMIT_S PATTERN COMMAND...: passes when COMMAND ends with an error within LIMIT_S seconds and its
# output, to which "exit status: N" is added, has a line that matches the extended regular expression PATTERN.
set -u
limit=$1
pattern=$2
shift 2
output=$(mktemp)
trap 'rm -f "$output"' EXIT
start=$(date +%s)
"$@" >"$output" 2>&1
status=$?
took=$(($(date +%s) - start))
echo "exit status: $status" >>"$output"
cat "$output"
if [ "$status" -eq 0 ]; then
    echo "expected a failure, got exit status 0"
    exit 1
fi
if [ "$took" -gt "$limit" ]; then
    echo "expected an end within $limit s, took $took s (exit status $status)"
    exit 1
fi
if ! grep -Eq -- "$pattern" "$output"; then
    echo "expected a line matching: $pattern (exit status $status)"
    exit 1
fi
