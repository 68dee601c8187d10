#!/bin/sh
# Trains a config with torchrun. On each host:
#   MASTER_ADDR=10.0.0.1 NNODES=2 NODE_RANK=0 sh torchrun.sh config.yaml
set -eu
# npx would end at a signal and leave the program running. In a clone of the repository, set
# DUALPIPE="node dist/cli/main.js".
exec torchrun \
  --nnodes "${NNODES:-1}" \
  --node-rank "${NODE_RANK:-0}" \
  --nproc-per-node "${NPROC_PER_NODE:-4}" \
  --master-addr "${MASTER_ADDR:-127.0.0.1}" \
  --master-port "${MASTER_PORT:-29500}" \
  --max-restarts "${MAX_RESTARTS:-3}" \
  --no-python \
  ${DUALPIPE:-node_modules/.bin/dualpipe} train "$@" --set checkpoint.everySteps=100
