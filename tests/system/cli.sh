# The command line: what is misused leaves with 2 and one clear line; help is everywhere; pipes get no colour.
. "$(dirname "$0")/common.bash"

verbs="train eval attack report demo envs render keys inspect bench broker learner actor stats top health chaos reproduce"

expect 0 "$testudo" --help
for verb in $verbs; do says out.txt "  $verb "; done
expect 0 "$testudo" --version
says out.txt "testudo "
expect 2 "$testudo"
for verb in $verbs; do
    expect 0 "$testudo" "$verb" --help
    says out.txt "usage: testudo $verb"
    says out.txt "example: testudo $verb"
    expect 2 "$testudo" "$verb" --no-such-option
    says err.txt "unknown option --no-such-option"
    # bench may first say that it starts anew with better kernels.
    [ "$(grep -vc ' starting anew with OPENBLAS_CORETYPE' err.txt)" = 1 ] || fail "$verb: more than one line about misuse"
done

# Nearest names.
expect 2 "$testudo" trian
says err.txt 'did you mean train?'
expect 2 "$testudo" train no-such-recipe
says err.txt 'no recipe "no-such-recipe"'
expect 2 "$testudo" train mapo
says err.txt 'did you mean mappo?'
expect 2 "$testudo" train mappo lerner.lr=1e-3
says err.txt 'command line: unknown key lerner.lr; did you mean learner.lr?'
expect 2 "$testudo" train mappo lr=1e-3
says err.txt 'learner.lr'
expect 2 "$testudo" envs describe matrx
says err.txt 'did you mean matrix?'
expect 2 "$testudo" train --atcors 3
says err.txt 'did you mean --actors?'

# Bad values name key, place, what was got and what is accepted.
expect 2 "$testudo" train mappo learner.lr=fast
says err.txt 'bad value for learner.lr: got "fast", expected a number from 0 to 1'
expect 2 "$testudo" train mappo run.mode=warp
says err.txt 'sync|async'
expect 2 "$testudo" train matrix rollout.steps=25
says err.txt 'rollout.steps is 25, expected a multiple of rollout.chunk 10'
expect 2 "$testudo" train matrix attack.threat=bogus
says err.txt 'attack.threat: unknown threat "bogus"'
expect 2 "$testudo" train mappo seeds=5-1
expect 2 "$testudo" train mappo stray
says err.txt 'expected key=value'
expect 2 "$testudo" train
expect 2 "$testudo" train mappo --actors many
printf 'env:\n  name: matrix\nlearner:\n  lrr: 1\n' >own.yaml
expect 2 "$testudo" train ./own.yaml
says err.txt 'own.yaml:4: unknown key learner.lrr; did you mean learner.lr?'
printf 'a: [\n' >broken.yaml
expect 2 "$testudo" train ./broken.yaml
says err.txt 'broken.yaml:'
[ ! -e runs ] || fail "a refused recipe left a run folder"

# The resolved recipe is a recipe, and stays the same when resolved again.
expect 0 "$testudo" train mappo run.steps=20k --check-config
says out.txt 'run.steps: "20k"'
cp out.txt resolved.yaml
expect 0 "$testudo" train ./resolved.yaml --check-config
cmp out.txt resolved.yaml || fail "resolving twice changes the recipe"
for recipe in $("$testudo" keys --recipes); do
    case $recipe in attack | *-attack) continue ;; esac # go over a run's recipe, not alone
    expect 0 "$testudo" train "$recipe" --check-config
done
# And so is every line of the grid that MIR3's lambda is chosen from.
while read -r name keys; do
    case $name in '' | '#'*) continue ;; esac
    # shellcheck disable=SC2086
    expect 0 "$testudo" train rendezvous method=mir3-mappo-fast run.name="$name" $keys --check-config
done <"$top/tests/bench/search-mir3.txt"

# No escape codes in pipes.
expect 0 "$testudo" keys
if grep -q "$(printf '\033')" out.txt err.txt; then fail "colour in a pipe"; fi
"$testudo" keys | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "a reader that left early made it fail"

# Runs and files that are not there.
mkdir empty
expect 2 "$testudo" report empty
says err.txt 'no run in "empty"'
expect 2 "$testudo" eval empty
expect 1 "$testudo" inspect empty/none.safetensors
printf 'not a checkpoint' >junk.safetensors
expect 2 "$testudo" inspect junk.safetensors
expect 1 "$testudo" stats --connect "ipc://$PWD/nobody" --timeout 1
says err.txt 'is a broker there?'
