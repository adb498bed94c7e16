#!/usr/bin/env bash
# An equal search of hyper-parameters: every method is tried with every line of a file of settings, on seeds kept for searching,
# and attacked the same way. tests/bench/search_choose.py then applies one rule to all methods. The settings that it names are
# tested with tests/bench/learning.sh on fresh seeds; nothing is ever chosen on those.
#
#   tests/bench/search.sh TASK "METHODS" "SEEDS" SETTINGS "ATTACK ARGUMENTS" OUT
#   tests/bench/search.sh matrix "mappo-fast eir-mappo-fast" "21 22" tests/bench/search-matrix.txt "run.steps=500k" tests/bench/results/search
#
# A line of SETTINGS is NAME key=value ...; runs lie in runs/search (resumed when they are there), records in OUT.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
task=$1 methods=$2 seeds=$3 settings=$4 attack=$5 out=$6
mkdir -p "$out"
for seed in $seeds; do
    while read -r name keys; do
        case $name in '' | '#'*) continue ;; esac
        for method in $methods; do
            record=$out/$task-$method-$name-seed$seed.json
            [ ! -s "$record" ] || continue
            # shellcheck disable=SC2086
            bin/testudo train "$task" method="$method" run.seed="$seed" run.name="$name" $keys --runs runs/search --quiet >/dev/null </dev/null
            run=$(find runs/search -path "*/$method/$name/seed-$seed" -type d)
            # shellcheck disable=SC2086
            bin/testudo attack "$run" $attack --quiet >/dev/null </dev/null
            bin/testudo report "$run" --record >"$record.part" </dev/null
            mv "$record.part" "$record"
            echo "$record"
        done
    done <"$settings"
done
