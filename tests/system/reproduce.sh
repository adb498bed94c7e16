# A paper's table: runs, goes on where it stopped, does nothing twice, tells what does not count and what is wrong in a grid.
. "$(dirname "$0")/common.bash"

mkdir toy
cat >toy/grid.yaml <<'YAML'
title: "two teams for a moment"
source: "nobody"
seeds: 1-2
tasks: {matrix: "matrix run.steps=4k rollout.lanes=10 eval.episodes=20"}
methods: {MAPPO: "method=mappo-fast", EIR: "method=eir-mappo-fast"}
columns: {clean: "clean", rand: "random eval.episodes=10", worst: "attack lowest", time: "seconds MAPPO"}
attack: "rollout.lanes=10 run.steps=2k attack.max_steps=2k eval.threats=learned eval.episodes=20"
paper: {MAPPO: {matrix: {clean: "100 0.2"}}}
orderings: {one: "worst EIR MAPPO"}
differs: {budget: "4,000 steps, where nobody has any"}
YAML

expect 0 "$testudo" reproduce toy/grid.yaml --plan
says out.txt "toy-grid: 0 of 4 cells are done, 4 cells without a yardstick yet"
[ ! -e runs ] || fail "--plan made a folder"

# Stopped after the first cell: its record is there, and it is not done again.
"$testudo" reproduce toy/grid.yaml >/dev/null 2>first.txt &
pid=$!
for _ in $(seq 600); do [ -e runs/reproduce/toy-grid/matrix-MAPPO-seed1.json ] && break; sleep 0.1; done
kill -INT -- $pid "$(pgrep -P $pid | head -1)" 2>/dev/null
wait $pid
record=runs/reproduce/toy-grid/matrix-MAPPO-seed1.json
[ -s $record ] || fail "no record of the first cell"
before=$(cksum $record)
expect 0 "$testudo" reproduce toy/grid.yaml
says out.txt "toy-grid: 4 of 4 cells are done"
says out.txt "MAPPO        time             2          1 [1, 1]"
says out.txt "matrix worst: EIR above MAPPO: "
says out.txt "other than in the paper: 4,000 steps"
[ "$(cksum $record)" = "$before" ] || fail "the first cell was done again"

# Done: nothing is started any more.
expect 0 "$testudo" reproduce toy/grid.yaml
! grep -q '^\$' err.txt || fail "a finished grid started steps"

# Another budget: the records are set aside, not believed.
expect 0 "$testudo" reproduce toy/grid.yaml run.steps=5k --plan
says err.txt "4 records in runs/reproduce/toy-grid were made with another recipe and do not count"
says out.txt "0 of 4 cells are done"
# A column that changed is measured again, the others stay.
sed 's/random eval.episodes=10/random eval.episodes=12/' toy/grid.yaml >toy/changed.yaml
mv toy/changed.yaml toy/grid.yaml
expect 0 "$testudo" reproduce toy/grid.yaml
[ "$(grep -c '^\$ testudo eval' err.txt)" = 4 ] || fail "expected four evaluations again"
! grep -q '^\$ testudo attack' err.txt || fail "the attack was done again"

printf 'broken' >$record
expect 2 "$testudo" reproduce toy/grid.yaml --plan
says err.txt "matrix-MAPPO-seed1.json"

# What is wrong in a grid is named with its place.
bad() { # LINE EXPECTED
    printf '%s\n' 'seeds: 1' 'tasks: {t: "matrix"}' 'methods: {m: "method=mappo"}' "$1" >bad.yaml
    expect 2 "$testudo" reproduce bad.yaml --plan
    says err.txt "$2"
}
bad 'title: x' 'bad.yaml: no columns'
bad 'columns: {a: "attack"}' 'bad.yaml:4: "attack" is no column, expected a threat, attack mean'
bad 'columns: {a: "seconds nobody"}' 'bad.yaml:4: no method "nobody" in this grid'
bad 'columnz: {a: clean}' 'bad.yaml:4: unknown key columnz.a'
bad "$(printf 'columns: {a: clean}\npaper: {m: {t: {b: 1}}}')" 'bad.yaml:5: paper.m.t.b names no method, task and column'
bad "$(printf 'columns: {a: clean}\npaper: {m: {t: {a: high}}}')" "bad.yaml:5: the paper's figure is \"high\""
bad "$(printf 'columns: {a: clean}\norderings: {o: "a m"}')" 'bad.yaml:5: ordering is "a m", expected COLUMN BETTER WORSE'
bad 'columns: {a: {b: clean}}' 'bad.yaml:4: columns.a.b is nested'
expect 2 "$testudo" reproduce no-such
says err.txt 'no grid "no-such"'

# The grids that come along name recipes, keys, threats and figures that exist.
for grid in "$top"/deploy/recipes/*/*.yaml; do
    family=$(basename "$(dirname "$grid")")
    expect 0 "$testudo" reproduce "$family-$(basename "$grid" .yaml)" --plan
    says out.txt "cells are done"
done
