# Whoever is asked to leave leaves, whatever happens meanwhile: here the broker dies with trajectories on the way, the actor is asked to go,
# and the next broker at that address serves another run, which an actor would otherwise join.
. "$(dirname "$0")/common.bash"
connect=(--connect "ipc://$folder/rt/b")
serve() { # serve RUN: broker and learner of a run that takes long
    "$testudo" broker --listen "ipc://$folder/rt/b" >"broker-$1.log" 2>&1 &
    broker=$!
    "$testudo" learner "${connect[@]}" "$top/tests/system/tiny.yaml" run.steps=40M "run.name=$1" >"learner-$1.log" 2>&1 &
    learner=$!
}
tries=0 crossed=0
while [ $tries -lt 5 ] && [ $crossed = 0 ]; do
    tries=$((tries + 1))
    serve "first$tries"
    "$testudo" actor "${connect[@]}" >actor.log 2>&1 &
    actor=$!
    trains() { "$testudo" stats "${connect[@]}" --count 1 --json --timeout 1 2>/dev/null | grep -q '"update":[1-9]'; }
    wait_for 60 trains
    kill -9 $broker $learner
    wait $broker $learner 2>/dev/null
    serve "second$tries"
    kill -TERM $actor
    is_gone() { ! kill -0 $actor 2>/dev/null; }
    wait_for 8 is_gone
    wait $actor || { cat actor.log; fail "an actor that was asked to leave left with $?"; }
    grep -q "actor refused" actor.log && crossed=1 # else it was gone before the second broker could say anything
    kill -9 $broker $learner
    wait $broker $learner 2>/dev/null
done
echo "refused while leaving: $crossed, in $tries tries"
