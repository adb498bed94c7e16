#!/bin/bash
# What admission and audit cost at their default shares: runs with and without them in turn, processor and wall seconds of whole runs.
# usage: tests/bench/admission.sh [ROUNDS [RECIPE [key=value...]]], default 5 matrix run.steps=300k
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-5}
shift || true
[ $# -gt 0 ] || set -- matrix run.steps=300k
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
one() { # one NAME ROUND [key=value...]
    local name=$1 round=$2
    shift 2
    { TIMEFORMAT='%U %S %R'; time "$top/bin/testudo" train "$@" --quiet --actors "${ACTORS:-3}" --runs "runs-$name-$round" eval.threats=clean \
        eval.episodes=20 >log 2>&1; } 2>time.txt || { cat log; exit 1; }
    awk '{ print $1 + $2, $3 }' time.txt >>"$name.txt"
    grep -h "admission rescored" runs-*/*/*/*/*/*/log.txt | tail -n 1 | sed 's/.*rescored/rescored/' >"$name.last" || true
    rm -rf "runs-$name-$round"
}
for round in $(seq "$rounds"); do
    one off "$round" "$@" admission.share=0 admission.audit_share=0
    one on "$round" "$@"
    one on "$round" "$@"
    one off "$round" "$@" admission.share=0 admission.audit_share=0
done
cat on.last
middle() { sort -n -k "$2" "$1.txt" | awk -v k="$2" '{ x[NR] = $k } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }
for name in off on; do
    echo "$name: processor seconds $(awk '{ printf "%s ", $1 }' "$name.txt")median $(middle "$name" 1); wall $(awk '{ printf "%s ", $2 }' "$name.txt")median $(middle "$name" 2)"
done
awk -v a="$(middle off 1)" -v b="$(middle on 1)" -v c="$(middle off 2)" -v d="$(middle on 2)" \
    'BEGIN { printf "cost: processor %+.1f %%, wall %+.1f %%\n", 100 * (b / a - 1), 100 * (d / c - 1) }'
