# Sourced: two hosts on this machine, network namespaces that a cable connects, with host names of their own. Needs root
# and iproute2; where that is missing, exits 77 (skipped).
# two_hosts_up; on_hosts RANKS_A RANKS_B PROGRAM ARGS... ; cut_cable; two_hosts_down

host_a=cnn-a-$$
host_b=cnn-b-$$

two_hosts_up() {
    local agent=$1 host
    if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || ! ip netns add "$host_a" 2>/dev/null; then
        echo "skipped: needs root, iproute2 and network namespaces"
        exit 77
    fi
    ip netns add "$host_b"
    for host in "$host_a" "$host_b"; do
        mkdir -p "/etc/netns/$host"
        printf '127.0.0.1 localhost\n10.77.0.1 %s\n10.77.0.2 %s\n' "$host_a" "$host_b" >"/etc/netns/$host/hosts"
        ip -n "$host" link set lo up
    done
    ip link add "va-$$" netns "$host_a" type veth peer name "vb-$$" netns "$host_b"
    ip -n "$host_a" addr add 10.77.0.1/24 dev "va-$$"
    ip -n "$host_b" addr add 10.77.0.2/24 dev "vb-$$"
    plug_cable
    cat >"$agent" <<'SH'
#!/bin/sh
# Stands in for ssh: agent HOST COMMAND...
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c 'hostname "$0"; exec sh -c "$*"' "$host" "$@"
SH
    chmod +x "$agent"
    two_hosts_agent=$agent
}

cut_cable() { ip -n "$host_b" link set "vb-$$" down; }
plug_cable() {
    ip -n "$host_a" link set "va-$$" up
    ip -n "$host_b" link set "vb-$$" up
}

# A daemon of mpirun that is cut off may stay for as long as TCP tries again.
two_hosts_down() {
    local host pid
    for host in "$host_a" "$host_b"; do
        for pid in $(ip netns pids "$host" 2>/dev/null); do
            kill -KILL "$pid" 2>/dev/null
        done
    done
    ip netns del "$host_a" 2>/dev/null
    ip netns del "$host_b" 2>/dev/null
    rm -rf "/etc/netns/$host_a" "/etc/netns/$host_b"
}

# on_hosts RANKS_A RANKS_B PROGRAM ARGS...
on_hosts() {
    local n_a=$1 n_b=$2
    shift 2
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    ip netns exec "$host_a" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$host_a" \
        mpirun --mca plm_rsh_agent "$two_hosts_agent" --mca btl tcp,self,vader --mca oob_tcp_keepalive_time "${KEEPALIVE_S:-1}" \
        --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3 \
        --host "$host_a:$n_a,$host_b:$n_b" --oversubscribe --bind-to none -np $((n_a + n_b)) "$@"
}
