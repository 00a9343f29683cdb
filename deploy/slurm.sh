#!/usr/bin/env bash
# One Ray worker a host, DVC on the first one: `sbatch deploy/slurm.sh`, again after a time limit.
#SBATCH --job-name=auxseg
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@60
set -euo pipefail
cd "$SLURM_SUBMIT_DIR" # the clone, on a file system of all hosts: its .venv is used by all
export PATH="$PWD/.venv/bin:$PATH"

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_ADDRESS="$head:6379"
export AUXSEG_WORKERS="$SLURM_JOB_NUM_NODES"
# Ray lets in who has the token of this job; without one, everyone who reaches the hosts.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex())')
# Starts Ray on every host, the command on the first one, and ends Ray with it, on the other hosts
# a minute later. Slurm and Ray are told the number of CPUs: Ray would count all of the host.
srun --cpus-per-task "$SLURM_CPUS_PER_TASK" ray symmetric-run --address "$RAY_ADDRESS" \
    --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" -- dvc repro
