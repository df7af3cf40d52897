#!/usr/bin/env bash
# mpirun for `cnn_dist train`, so that a stop saves a checkpoint however long a step takes:
#   launch/mpirun.sh -np 8 build/cnn_dist train CONFIG
# On Ctrl-C, SIGTERM, SIGHUP (the terminal was closed) and when the reader of its output leaves, mpirun kills its ranks
# one second later. On SIGUSR1 it forwards the signal and waits. This script turns all stop requests into SIGUSR1 and
# exits with the run's exit code, 75 after a stop. A second Ctrl-C ends the job at once. MPIRUN names another mpirun.
set -uo pipefail

# mpirun notices a lost host in 35 s (20 + 3 * 5) instead of 8 minutes. Keep this below comm.timeout_s: once mpirun has
# sent something to a host that is gone, TCP alone decides, which takes about 15 minutes.
export OMPI_MCA_oob_tcp_keepalive_time="${OMPI_MCA_oob_tcp_keepalive_time:-20}"
export OMPI_MCA_oob_tcp_keepalive_intvl="${OMPI_MCA_oob_tcp_keepalive_intvl:-5}"
export OMPI_MCA_oob_tcp_keepalive_probes="${OMPI_MCA_oob_tcp_keepalive_probes:-3}"

interrupts=0
stop() { # SIGNAL
    local send=USR1
    [ "$1" = INT ] && interrupts=$((interrupts + 1))
    [ "$interrupts" -lt 2 ] || send=TERM
    kill -"$send" "$pid" 2>/dev/null
    [ "$SECONDS" -ge 3 ] || { sleep 3 && kill -"$send" "$pid" 2>/dev/null; } & # it may not listen yet
}

# tee -p continues when the reader has left.
outlive_reader() {
    trap '' INT TERM HUP USR1
    tee -p /dev/null
}

# In a session of its own: the terminal's signals come to this script alone. SIGUSR1 is ignored until mpirun handles it.
(trap '' USR1 && exec setsid "${MPIRUN:-mpirun}" "$@") </dev/null > >(outlive_reader) 2> >(outlive_reader >&2) &
pid=$!
for signal in INT TERM HUP USR1; do
    # shellcheck disable=SC2064 # expanded now: each trap names its signal
    trap "stop $signal" "$signal"
done

# A trap ends wait early, with a status that is not mpirun's.
status=0
wait "$pid" || status=$?
while kill -0 "$pid" 2>/dev/null; do
    status=0
    wait "$pid" || status=$?
done
exit "$status"
