# Our environments replay the recorded steps of the reference implementations.
. "$(dirname "$0")/common.bash"
expect 0 "$testudo" envs check "$top"/tests/golden/traces/*.gz
[ "$(grep -c '^agrees' out.txt)" = "$(ls "$top"/tests/golden/traces/*.gz | wc -l)" ] || { cat out.txt; fail "not all traces agree"; }
expect 0 "$testudo" envs list
for env in $(cut -d' ' -f1 out.txt); do expect 0 "$testudo" envs describe "$env"; done
expect 1 "$testudo" envs check none.jsonl.gz
