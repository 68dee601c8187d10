#!/bin/sh
# Hosts on one machine: network namespaces with an address and a veth link each, joined by a switch. The script runs
# in namespaces of its own, so nothing is left when it ends.
#   lab.sh SWITCH NUM_HOSTS DELAY_US RATE
set -eu
switch=$1 num_hosts=$2 delay_us=$3 rate=$4
mount -t tmpfs tmpfs /run
ip link set lo up
ports=
for i in $(seq 0 $((num_hosts - 1))); do
  ip netns add "host$i"
  ip link add "port$i" type veth peer name "link$i"
  "$switch" plain "port$i" "link$i"
  ip link set "link$i" netns "host$i"
  ip -n "host$i" link set lo up
  ip -n "host$i" link set "link$i" name eth0
  ip -n "host$i" addr add "10.77.0.$((i + 1))/24" dev eth0
  ip -n "host$i" link set eth0 up
  ip link set "port$i" up
  # The rate limits both what a host sends and what it receives.
  tc -n "host$i" qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 200ms
  tc qdisc add dev "port$i" root tbf rate "$rate" burst 64kb latency 200ms
  ports="$ports port$i"
done
exec "$switch" run "$delay_us" $ports
