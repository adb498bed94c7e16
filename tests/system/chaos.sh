# Two minutes of kills: actor, broker and learner die at random moments, several times a run. Every run ends by itself, its books
# close, and in sync mode it ends with the learning state of an undisturbed run, so nothing was trained on twice and nothing was
# left out. CHAOS_SECONDS and CHAOS_SEED choose another length and another course.
. "$(dirname "$0")/common.bash"
RANDOM=${CHAOS_SEED:-1}
end=$((SECONDS + ${CHAOS_SECONDS:-120}))
method="method=eir-mappo eir.interval=2 belief.hidden=16 belief.depth=1"
# shellcheck disable=SC2086
tiny calm --actors 2 $method >out.txt 2>err.txt || { cat out.txt err.txt; fail "training undisturbed"; }
final_hash calm >calm.hash || fail "no checkpoint"

children=(actor/0 actor/1 broker/0 learner/0)
kills=0
# disturbed NAME [arguments]: one run with a kill every second or so; sets `kills`.
disturbed() {
    local name=$1 trainer pid child
    # shellcheck disable=SC2086
    tiny_exec "$name" --actors 2 $method "${@:2}" >"$name.out" 2>"$name.err" &
    trainer=$!
    while kill -0 $trainer 2>/dev/null; do
        sleep "$((RANDOM % 2)).$((RANDOM % 10))"
        child=${children[$((RANDOM % 4))]}
        pid=$(pid_of "$name" "$child")
        # Late in a run the children leave by themselves; a kill that comes too late is not counted.
        if [ -n "$pid" ] && kill -0 $trainer 2>/dev/null && kill -9 "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
    done
    wait $trainer || { cat "$name.err"; fail "run $name did not end by itself after $kills kills"; }
}

runs=0
while [ $SECONDS -lt $end ]; do
    runs=$((runs + 1))
    if [ $((runs % 3)) = 0 ]; then
        disturbed "chaos$runs" run.mode=async
    else
        disturbed "chaos$runs"
        cmp calm.hash <(final_hash "chaos$runs") || fail "run $runs ended with another learning state after $kills kills"
    fi
    grep -h 'run complete' "$(run_folder "chaos$runs")/log.txt" | tail -n 1 >book.txt
    says book.txt "unexplained=0"
done
[ $kills -ge 10 ] || fail "only $kills kills in $runs runs: the test did not test"
echo "$kills kills in $runs runs"
