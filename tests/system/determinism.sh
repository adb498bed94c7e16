# In sync mode a run ends with the same learning state whatever the number of actors.
. "$(dirname "$0")/common.bash"
for actors in 1 2 4; do
    tiny "actors$actors" --actors $actors >out.txt 2>err.txt || { cat out.txt err.txt; fail "training with $actors actors"; }
    final_hash "actors$actors" >"hash$actors" || fail "no checkpoint with $actors actors"
done
cmp hash1 hash2 || fail "1 and 2 actors: $(cat hash1 hash2)"
cmp hash1 hash4 || fail "1 and 4 actors: $(cat hash1 hash4)"
tiny other --actors 1 run.seed=2 >out.txt 2>err.txt || fail "training with another seed"
if cmp -s hash1 <(final_hash other); then fail "another seed gives the same hash: the test could not fail"; fi

# The same with beliefs, an adversary and partitions.
eir="method=eir-mappo eir.interval=2 belief.hidden=16 belief.depth=1 run.steps=16k"
for actors in 1 4; do
    # shellcheck disable=SC2086
    tiny "eir$actors" --actors $actors $eir >out.txt 2>err.txt || { cat out.txt err.txt; fail "EIR-MAPPO with $actors actors"; }
done
cmp <(final_hash eir1) <(final_hash eir4) || fail "EIR-MAPPO: 1 and 4 actors differ"

# And with a replay, agents that remember, and random actions that become fewer; killed and resumed, too.
for method in qmix qplex qmix-prioritised; do
    keys="method=$method env.name=foraging env.scenario=8x8-2p-1f rollout.lanes=6 rollout.steps=20 rollout.chunk=10 q.batch=8 q.hidden=16
          act.recurrent=16 q.target_every=10 q.epsilon_steps=3000 replay.episodes=60 run.steps=6k"
    for actors in 1 2 4; do
        # shellcheck disable=SC2086
        tiny "$method$actors" --actors $actors $keys >out.txt 2>err.txt || { cat out.txt err.txt; fail "$method with $actors actors"; }
        cmp <(final_hash ${method}1) <(final_hash $method$actors) || fail "$method: 1 and $actors actors differ"
    done
    # shellcheck disable=SC2086
    tiny_exec $method-killed --actors 2 $keys >out.txt 2>err.txt &
    pid=$!
    # Any checkpoint from the tenth update on: a quick run may have removed one of them between two looks.
    is_at_10() { find "runs/$method-killed" -name '0000*.safetensors' -path '*/checkpoints/*' 2>/dev/null | grep -qv '/0000000[0-9]\.'; }
    wait_for 60 is_at_10
    kill -INT $pid
    wait $pid || true
    # shellcheck disable=SC2086
    tiny $method-killed --actors 2 $keys >out.txt 2>err.txt || { cat out.txt err.txt; fail "$method resumed"; }
    cmp <(final_hash ${method}1) <(final_hash $method-killed) || fail "$method: resumed and straight through differ"
done
for method in mir3-qmix rom-q-qmix; do
    for actors in 1 4; do
        # shellcheck disable=SC2086
        tiny "$method$actors" --actors $actors ${keys/method=qplex/method=$method} run.steps=4k >out.txt 2>err.txt || { cat out.txt err.txt; fail "$method with $actors actors"; }
    done
    cmp <(final_hash ${method}1) <(final_hash ${method}4) || fail "$method: 1 and 4 actors differ"
done
maddpg="method=maddpg-box env.name=rendezvous env.scenario=mir3-4 env.horizon=20 rollout.lanes=4 rollout.steps=20 maddpg.hidden=16
        maddpg.batch=4 replay.episodes=30 run.steps=3200"
for priority in uniform proportional; do
    for actors in 1 4; do
        # shellcheck disable=SC2086
        tiny "maddpg-$priority$actors" --actors $actors $maddpg replay.priority=$priority >out.txt 2>err.txt ||
            { cat out.txt err.txt; fail "MADDPG with $actors actors"; }
    done
    cmp <(final_hash maddpg-${priority}1) <(final_hash maddpg-${priority}4) || fail "MADDPG, $priority: 1 and 4 actors differ"
done
if cmp -s <(final_hash maddpg-uniform1) <(final_hash maddpg-proportional1); then fail "replay.priority changes nothing"; fi

# And with actions that are several choices, or real numbers; attacked by a learned adversary of the same kind.
for task in "name=mpe env.scenario=simple_reference" "name=rendezvous env.scenario=mir3-4"; do
    kind=${task%% *}
    for actors in 1 4; do
        # shellcheck disable=SC2086
        tiny "${kind#name=}$actors" --actors $actors env.$task $eir run.steps=6400 >out.txt 2>err.txt ||
            { cat out.txt err.txt; fail "$task with $actors actors"; }
    done
    cmp <(final_hash "${kind#name=}1") <(final_hash "${kind#name=}4") || fail "$task: 1 and 4 actors differ"
done

# An information estimator on real numbers, and its interval in the curves.
mir3="env.name=rendezvous env.scenario=mir3-4 mi.lambda=1e-3 mi.hidden=16 mi.fit_steps=4 run.steps=6400"
for actors in 1 4; do
    # shellcheck disable=SC2086
    tiny "mir3-$actors" --actors $actors $mir3 >out.txt 2>err.txt || { cat out.txt err.txt; fail "MIR3 with $actors actors"; }
done
cmp <(final_hash mir3-1) <(final_hash mir3-4) || fail "MIR3: 1 and 4 actors differ"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    NR > 1 && !($at["mi/low"] < $at["mi/mean"] && $at["mi/mean"] < $at["mi/high"]) { exit 1 } END { exit NR < 5 }' \
    "$(run_folder mir3-1)/progress.csv" || fail "no interval of the information"

# What a run leaves behind.
run=$(run_folder actors2)
for file in recipe.yaml meta.json log.txt progress.csv results/train.json checkpoints/latest; do
    [ -e "$run/$file" ] || fail "no $file in the run folder"
done
ls "$run"/tb/events.out.tfevents.* >/dev/null || fail "no TensorBoard events"
[ "$(readlink -f runs/actors2/latest)" = "$(readlink -f "$run")" ] || fail "latest does not point to the run"
expect 0 "$testudo" report runs/actors2 runs/other
says out.txt "clean"
expect 0 "$testudo" report runs/actors2 --json
says out.txt '"absolute_metrics"'

# The same command again finds everything done; another recipe in the same folder is refused, with the key that differs.
expect 0 tiny actors2 --actors 2
cmp hash2 <(final_hash actors2) || fail "training a finished run again changed it"
expect 2 tiny actors2 learner.lr=1e-3
says err.txt 'learner.lr is 5e-4 there and 1e-3 here'

[ -z "$(ls rt)" ] || fail "the launcher left $(ls rt) behind"
