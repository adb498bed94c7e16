# limit: 300
# What is started again knows what was before it: a learner that is killed just after its run was complete leaves at once, and tells an actor
# that missed the end; an actor that was quarantined stays so after learner and broker were killed; a broker lives through SIGHUP.
. "$(dirname "$0")/common.bash"
connect=(--connect "ipc://$folder/rt/b")
recipe=$top/tests/system/tiny.yaml steps=(run.steps=200k)
is_gone() { ! kill -0 "$1" 2>/dev/null; }
# serve: a broker of its own for what follows.
serve() {
    "$testudo" broker --listen "ipc://$folder/rt/b" >>broker.log 2>&1 &
    broker=$!
}
stats() { "$testudo" stats "${connect[@]}" --count 1 --json --timeout 2 2>/dev/null; }

# A broker without keys, and a relay.
serve
"$testudo" broker --relay "ipc://$folder/rt/b" --listen "ipc://$folder/rt/r" >relay.log 2>&1 &
relay=$!
relay_listens() { grep -q "relay listens" relay.log; }
answers() { stats >/dev/null; }
wait_for 20 answers
wait_for 20 relay_listens
kill -HUP $broker $relay
says_again() { grep -q "nothing to read again" broker.log && grep -q "nothing to read again" relay.log; }
wait_for 10 says_again
answers || fail "the broker does not answer after SIGHUP"
kill $relay
wait $relay || fail "the relay left with $?"

# A run to its end; its learner is killed as soon as it says so. One of its actors is stopped before, and misses that.
update() { stats | sed -n 's/.*"update":\([0-9]*\).*/\1/p'; }
is_at() { [ "$(update)" -ge "$1" ] 2>/dev/null; }
"$testudo" learner "${connect[@]}" "$recipe" run.name=done "${steps[@]}" >learner.log 2>&1 &
learner=$!
"$testudo" actor "${connect[@]}" --id 0 >actor.log 2>&1 &
actor=$!
"$testudo" actor "${connect[@]}" --id 1 >late.log 2>&1 &
late=$!
wait_for 60 is_at 1
kill -STOP $late
is_complete() { grep -q "run complete" learner.log; }
wait_for 120 is_complete
kill -9 $learner $actor 2>/dev/null
wait $learner $actor 2>/dev/null
run=$(dirname "$(find runs -path '*/done/*' -name complete.json)")
[ -s "$run/results/train.json" ] || fail "no results in $run"
cp "$run/results/train.json" before.json
cp "$run/progress.csv" before.csv

# Nobody else is here any more, not even a broker that remembers.
kill -9 $broker
wait $broker 2>/dev/null
rm -f rt/b
SECONDS=0
expect 0 "$testudo" learner "${connect[@]}" "$recipe" run.name=done "${steps[@]}"
[ $SECONDS -le 20 ] || fail "a learner with nothing to do took $SECONDS s to leave"
says err.txt "run was complete before"

# With a broker, and the actor that has not heard that the run is over.
serve
kill -CONT $late
waits() { stats | grep -q '"actor":1,'; }
wait_for 20 waits
expect 0 "$testudo" learner "${connect[@]}" "$recipe" run.name=done "${steps[@]}"
says err.txt "run was complete before"
wait_for 20 is_gone $late
wait $late || { cat late.log; fail "the actor left with $?"; }
cmp before.json "$run/results/train.json" || fail "the results were written again"
cmp before.csv "$run/progress.csv" || fail "the run went on"

# Whoever takes the results away has the team evaluated again.
rm "$run/results/train.json"
"$testudo" learner "${connect[@]}" "$recipe" run.name=done "${steps[@]}" >learner.log 2>&1 &
learner=$!
"$testudo" actor "${connect[@]}" --id 2 >actor.log 2>&1 &
actor=$!
wait $learner || { tail -n 20 learner.log; fail "the learner that was to evaluate again left with an error"; }
says learner.log "run complete steps=$(sed -n 's/.*"steps": \([0-9]*\),.*/\1/p' before.json | head -n 1)"
[ -s "$run/results/train.json" ] || fail "no results again"
wait $actor
kill -9 $broker
wait $broker 2>/dev/null

# Actor 7 lies, and is found out; then learner and broker die.
make -s -C "$top" PROFILE=release liar >err.txt 2>&1 || { cat err.txt; fail "no liar"; }
lie() { # lie LOG: a learner of a run that takes long
    "$testudo" learner "${connect[@]}" "$recipe" run.name=lie run.steps=40M run.mode=async >"$1" 2>&1 &
    learner=$!
}
quarantined() { stats | grep -q '"quarantined":1,"actors":\[7\]'; }
serve
lie learner.log
"$top/build/release/tests/long/liar" nan "ipc://$folder/rt/b" 7 >liar.log 2>&1 &
"$testudo" actor "${connect[@]}" --id 0 >actor.log 2>&1 &
wait_for 60 quarantined
kill -9 $broker $learner
wait $broker $learner 2>/dev/null
serve
lie again.log
wait_for 60 quarantined
says again.log "actor stays quarantined actor=7"
wait_for 60 is_at 3
grep -q "actor quarantined" again.log && fail "the liar was given orders again"
"$testudo" inspect "$(find runs -path '*/lie/*' -name actors.json)" >out.txt || fail "inspect of the list of actors"
says out.txt '"actor": 7'

# It is let in again by whoever mended it; and a list that cannot be read is no reason to let anybody in.
list=$(find runs -path '*/lie/*' -name actors.json)
kill -9 $learner
wait $learner 2>/dev/null
echo '[{"actor": "seven"}]' >"$list"
expect 2 "$testudo" learner "${connect[@]}" "$recipe" run.name=lie run.steps=40M run.mode=async
says err.txt "actors.json: entry 0 is not"
rm "$list"
lie mended.log
is_found_again() { grep -q "actor quarantined actor=7" mended.log; }
wait_for 60 is_found_again
