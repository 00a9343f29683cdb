#!/usr/bin/env bash
# Slurm with HOSTS simulated hosts on this machine, for as long as a command runs:
#   sudo bench/slurm.sh 3 sbatch --wait --nodes=3 --cpus-per-task=1 --gpus-per-node=0 deploy/slurm.sh
# Needs root and Debian's packages slurm-wlm, munge and iproute2. Network, processes, mounts and
# shared memory of each host are its own, so Ray takes it for a machine. All of it vanishes with the
# command; no other machine can be reached from it, nor reach it.
set -euo pipefail

if [[ ${1:-} != --inside ]]; then
    exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$@"
fi
hosts=$2
shift 2

logs=$(mktemp --directory --suffix=-slurm)
echo "Slurm's logs: $logs" >&2
mount --types tmpfs tmpfs /run
mkdir -p /run/munge /run/slurm
# The names of the hosts, and what Slurm has to know.
{
    echo "127.0.0.1 localhost"
    echo "10.0.0.254 control"
    for ((i = 1; i <= hosts; i++)); do echo "10.0.0.$i host$i"; done
} >/run/hosts
mount --bind /run/hosts /etc/hosts
mount --bind /dev/null /etc/resolv.conf # of name servers, none of which could be reached
cat >/run/slurm.conf <<END
ClusterName=simulated
SlurmctldHost=control(10.0.0.254)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=/run/slurm
SlurmctldPidFile=/run/slurm/control.pid
SlurmdPidFile=/run/slurm/%n.pid
SlurmdSpoolDir=/run/slurm/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
KillWait=30
NodeName=host[1-$hosts] CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE
END
export SLURM_CONF=/run/slurm.conf

# One switch, and a cable to every host.
hostname control
ip link set lo up
ip link add switch type bridge
ip address add 10.0.0.254/24 dev switch
ip link set switch up
head --bytes 128 /dev/urandom >/run/munge/key
chmod 400 /run/munge/key
munged --key-file=/run/munge/key --log-file="$logs/munged" --force
slurmctld -D >"$logs/control" 2>&1 &
for ((i = 1; i <= hosts; i++)); do
    ip netns add "host$i"
    ip link add "cable$i" type veth peer name eth0 netns "host$i"
    ip link set "cable$i" master switch up
    nsenter --net="/run/netns/host$i" unshare --uts --mount --ipc --pid --fork --kill-child --mount-proc \
        bash -euc '
            hostname "$1"
            ip link set lo up
            ip address add "$2/24" dev eth0
            ip link set eth0 up
            ip route add default via 10.0.0.254
            mount --types tmpfs tmpfs /dev/shm
            mkdir -p /tmp/ray
            mount --types tmpfs tmpfs /tmp/ray
            slurmd -D -N "$1" &
            wait' \
        slurmd "host$i" "10.0.0.$i" >"$logs/host$i" 2>&1 &
done
until [[ $(sinfo --noheader --states=idle --format=%D 2>/dev/null) == "$hosts" ]]; do sleep 0.2; done
"$@"
