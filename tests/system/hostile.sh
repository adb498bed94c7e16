# Files that are broken, belong to something else or are in use: one clear line each, and nothing that was there is lost.
. "$(dirname "$0")/common.bash"

# refused FILE: nothing but one line of reason (a launcher says first where it works).
refused() {
    [ "$(grep -c '^testudo ' err.txt)" = 1 ] || { cat err.txt; fail "expected one line of reason"; }
    says err.txt "$1"
}
# untouched NAME: the run of that name still ends with the learning state that it had.
untouched() {
    cmp kept.hash <(final_hash "$1") || fail "$1 was changed"
}
short="--actors 1 run.steps=4k"
# shellcheck disable=SC2086
tiny good $short >out.txt 2>err.txt || { cat out.txt err.txt; fail "training"; }
final_hash good >kept.hash || fail "no checkpoint"
# shellcheck disable=SC2086
tiny wide $short learner.hidden=32 >out.txt 2>err.txt || fail "training a wider net"
copy() { cp -r runs/good "runs/$1" && run=$(run_folder "$1"); }

# A saved recipe that is no YAML any more.
copy recipe
echo 'a: [' >"$run/recipe.yaml"
# shellcheck disable=SC2086
expect 2 tiny recipe $short
refused "recipe.yaml:2: bad YAML"
expect 2 "$testudo" eval "$run" --quiet
refused "recipe.yaml:2: bad YAML"
untouched recipe

# The newest checkpoint cut short, empty, or of other nets. The file stays for a look, and so do the older ones.
copy cut
newest=$(readlink -f "$run/checkpoints/latest")
for bytes in 5000 8 0; do
    truncate -s $bytes "$newest"
    # shellcheck disable=SC2086
    expect 1 tiny cut $short
    refused "cannot resume from"
    for verb in eval attack; do
        expect 1 "$testudo" $verb "$run" --quiet
        refused "cannot use checkpoint"
    done
    expect 2 "$testudo" inspect "$newest"
    refused "cannot load"
    [ "$(stat -c %s "$newest")" = $bytes ] || fail "the broken checkpoint was changed"
done
rm "$newest"
# shellcheck disable=SC2086
expect 0 tiny cut $short # from the one before
untouched cut
copy other
cp "$(readlink -f "$(run_folder wide)/checkpoints/latest")" "$(readlink -f "$run/checkpoints/latest")"
# shellcheck disable=SC2086
expect 1 tiny other $short
refused "is 5x32, the recipe says 5x16"
expect 1 "$testudo" eval "$(run_folder good)" --checkpoint "$(run_folder wide)/checkpoints/latest" --quiet
refused "is 5x32, the recipe says 5x16"
untouched good

# Threats that nobody knows, before anything starts.
expect 2 "$testudo" eval "$(run_folder good)" eval.threats=clean,bogus --quiet
refused 'eval.threats: unknown threat "bogus": expected one of clean'
# shellcheck disable=SC2086
expect 2 tiny threats $short eval.training_threats=pgd
refused 'eval.training_threats: bad threat "pgd": expected pgd:NUMBER'
[ ! -e runs/threats ] || fail "a refused recipe left a run folder"

# A folder in use: a second launcher, a look at the run, a learner started by hand.
tiny_exec busy --actors 1 run.steps=40M >busy.out 2>busy.err &
trainer=$!
trains() { [ "$(cat "$(run_folder busy)/progress.csv" 2>/dev/null | wc -l)" -gt 2 ]; }
wait_for 120 trains
expect 1 tiny busy --actors 1 run.steps=40M
refused "another process works in"
expect 1 "$testudo" eval "$(run_folder busy)" --quiet
refused "another process works in"
expect 1 "$testudo" learner --run "$(run_folder busy)" --connect "ipc://$PWD/nobody"
refused "another learner works in"
[ "$(cat "$(run_folder busy)/generation")" = 1 ] || fail "the refused learner raised the generation"
kill -INT $trainer
if wait $trainer; then fail "stopped, yet exit code 0"; fi
says busy.err "checkpoint saved"

# A folder that cannot be written.
: >file
expect 1 "$testudo" train "$top/tests/system/tiny.yaml" --runs file --quiet
refused 'cannot create folder "file/matrix": Not a directory'

# Addresses.
expect 2 "$testudo" actor --connect udp://nowhere:1
refused "expected tcp://host:port or ipc://path"
expect 2 env HOME="$PWD" "$testudo" actor --connect nowhere
refused "beyond this machine a key is needed"
expect 2 env HOME="$PWD" "$testudo" broker --listen tcp://0.0.0.0:5998
refused "beyond this machine a key is needed"
expect 1 "$testudo" broker --listen "ipc://$PWD/none/broker"
refused "cannot bind"
