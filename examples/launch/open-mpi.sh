#!/bin/sh
# Trains a config with Open MPI. On the first host:
#   [HOSTFILE=hosts MASTER_ADDR=10.0.0.1] sh open-mpi.sh NUM_PROCESSES config.yaml
set -eu
# npx would end at a signal and leave the program running. In a clone of the repository, set
# DUALPIPE="node dist/cli/main.js".
num_processes=$1
shift
DUALPIPE_SECRET=${DUALPIPE_SECRET:-$(openssl rand -hex 32)}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
MASTER_PORT=${MASTER_PORT:-29500}
export DUALPIPE_SECRET MASTER_ADDR MASTER_PORT
exec mpirun -n "$num_processes" ${HOSTFILE:+--hostfile "$HOSTFILE"} \
  -x DUALPIPE_SECRET -x MASTER_ADDR -x MASTER_PORT \
  ${DUALPIPE:-node_modules/.bin/dualpipe} train "$@" --resume --set checkpoint.everySteps=100
