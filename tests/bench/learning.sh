#!/usr/bin/env bash
# Makes learning results again: trains methods on a task for some seeds, attacks each team, and writes one record per run.
#
#   tests/bench/learning.sh TASK "METHODS" "SEEDS" ["ATTACK ARGUMENTS"] [OUT]
#   tests/bench/learning.sh matrix "mappo-fast ear-mappo-fast eir-mappo-fast true-type-fast" "1 2 3" "run.steps=500k attack.max_steps=500k"
#
# Runs lie in runs/learning (resumed when they are there); records go to OUT (tests/bench/results). The table comes at the end.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
task=$1 methods=$2 seeds=$3 attack=${4:-} out=${5:-tests/bench/results}
mkdir -p "$out"
for seed in $seeds; do
    for method in $methods; do
        # shellcheck disable=SC2086
        bin/testudo train "$task" method="$method" run.seed="$seed" --runs runs/learning --quiet >/dev/null
        run=$(readlink -f runs/learning/latest)
        # shellcheck disable=SC2086
        bin/testudo attack "$run" $attack --quiet >/dev/null
        bin/testudo report "$run" --record >"$out/$task-$method-seed$seed.json"
        bin/testudo report "$run"
    done
done
