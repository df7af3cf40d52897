#!/usr/bin/env bash
# Four ranks on two hosts (two_hosts.sh), one of which is stopped, killed or cut off at some moment: how long it takes
# until every process is gone, with which exit codes and messages. Prints a table in Markdown; fails where a job does not
# end, a process stays, or a job ends well although it should not.
#   fault_ranks.sh PROGRAM FAULT_AT.so [MOMENT...]      default: all moments
set -u
set -- "$(realpath "$1")" "$(realpath "$2")" "${@:3}"
. "$(dirname "$0")/../mpi/e2e.sh"
faults=$2
set +e
. "$here/../faults/two_hosts.sh"
shift 2
moments=("$@")
[ $# -gt 0 ] || moments=(init start-up step exchange sync evaluation save end finalize)
trap 'two_hosts_down; rm -rf "$work"' EXIT
two_hosts_up "$work/agent"
make_data
limit=${FAULT_LIMIT_S:-6}
most=$((limit * 3 + 20))
bad=0

# Runs the program as a rank and notes how it ended.
cat >"$work/rank" <<'SH'
#!/bin/sh
trap '' TERM
LD_PRELOAD=$FAULT_LIBRARY "$@"
code=$?
echo "$code $(date +%s.%N)" >"$RANK_FILES.$OMPI_COMM_WORLD_RANK"
exit $code
SH
chmod +x "$work/rank"

ranks_alive() { pgrep -f -- "$cnn train .*$1" | while read -r pid; do
    [ "$(readlink "/proc/$pid/exe")" = "$cnn" ] && echo "$pid"
done; }

# one MOMENT ACTION RANK
one() {
    local moment=$1 action=$2 rank=$3 name="$1-$2-$3" at=$1 extra=() start end left job code
    case $moment in
    sync) extra=(--set train.sync_batch_norm=true) ;;
    save) at=step extra=(--set checkpoint.every="1 steps") ;;
    end | finalize) extra=(--set train.epochs=1) ;;
    esac
    local job_end folder=$work/$name
    mkdir "$folder"
    cd "$folder" || exit 1
    export FAULT_LIBRARY=$faults FAULT_RANK=$rank FAULT_AT=$at FAULT_DO=$action FAULT_FILE=$folder/now
    export RANK_FILES=$folder/rank CNN_COMM_TIMEOUT_S=$limit
    [ "$moment" = save ] && export FAULT_FSYNC_S=0.5 || unset FAULT_FSYNC_S
    on_hosts 2 2 -x FAULT_LIBRARY -x FAULT_RANK -x FAULT_AT -x FAULT_DO -x FAULT_FILE -x RANK_FILES \
        -x CNN_COMM_TIMEOUT_S ${FAULT_FSYNC_S:+-x FAULT_FSYNC_S} "$work/rank" \
        "$cnn" train "$work/tiny.yaml" --set comm.timeout_s="$limit" --set train.epochs=1000 --set run.name="$name" \
        "${extra[@]}" >out 2>err &
    job=$!
    for _ in $(seq 1 300); do
        [ -e now ] && break
        sleep 0.1
    done
    [ -e now ] || echo "$name: the moment did not come" >&2
    start=$(date +%s.%N)
    if [ "$action" = cut ]; then
        cut_cable
        rm now
    fi
    end='' job_end=''
    for _ in $(seq 1 $((most * 10))); do
        [ -z "$end" ] && [ -z "$(ranks_alive "run.name=$name")" ] && end=$(date +%s.%N)
        [ -z "$job_end" ] && ! kill -0 $job 2>/dev/null && job_end=$(date +%s.%N)
        [ -n "$end" ] && [ -n "$job_end" ] && break
        sleep 0.1
    done
    [ -n "$job_end" ] || { echo "$name: mpirun does not end" >&2; bad=1; kill -KILL $job; }
    wait $job
    code=$?
    # The one that stands still or is cut off is named, with its host and what the job was doing.
    local host=$host_a
    [ "$rank" -lt 2 ] || host=$host_b
    if [ "$action" = stop ] && ! grep -Eq "waited .* for rank $rank on $host, in [a-z]" err; then
        echo "$name: no message that names rank $rank on $host" >&2
        bad=1
    fi
    left=$(ranks_alive "run.name=$name")
    [ -z "$left" ] || { echo "$name: left over: $left" >&2; bad=1; kill -KILL $left; }
    [ "$action" = cut ] && plug_cable
    report "$name" "$start" "${end:-$(date +%s.%N)}" "$code" "${job_end:-$(date +%s.%N)}"
}

# report NAME START END CODE MPIRUN_END
report() {
    local r codes="" metrics
    for r in 0 1 2 3; do
        codes+=" $r: $(awk -v s="$2" '{ printf "%s after %.1f s", $1, $2 - s }' "rank.$r" 2>/dev/null || true)"
        [ -e "rank.$r" ] || codes+="killed"
        [ $r = 3 ] || codes+=","
    done
    metrics=$(tail -n 1 "runs/$1/metrics.jsonl" 2>/dev/null | sed -nE 's/.*"kind":"([a-z]*)".*"status":"([a-z]*)".*/\1 \2/p')
    printf '| %s | %.1f s | %s, %.1f s |%s | %s | %s |\n' "$1" "$(echo "$3 - $2" | bc)" "$4" "$(echo "$5 - $2" | bc)" \
        "$codes" "$(grep -hE 'waited|waiting|signal 9|error' err | grep -v 'Primary job' | cut -c1-250 | sort -u | tr '\n' ';' | tr '|' ' ')" \
        "${metrics:-none}"
}

echo "| moment, fault, rank | ranks gone after | mpirun: code, gone after | exit codes of ranks | messages | last line of metrics.jsonl |"
echo "|---|---|---|---|---|---|"
for moment in "${moments[@]}"; do
    for action in ${FAULT_ACTIONS:-stop kill cut}; do
        for rank in ${FAULT_RANKS:-0 2}; do
            [ "$action $rank" = "cut 0" ] || one "$moment" "$action" "$rank"
        done
    done
done
exit $bad
