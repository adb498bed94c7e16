# Actors behind a relay learn the same as actors at the broker, their weights come to the relay once, and a relay that is killed is missed only
# for as long as it is away.
. "$(dirname "$0")/common.bash"
export HOME=$folder
expect 0 "$testudo" keygen keys
export TESTUDO_KEYS=$folder/keys
port=$((20000 + RANDOM))
steps=320k # more versions than a relay has room for
expect 0 tiny direct --actors 1 run.steps=$steps

"$testudo" broker --listen "tcp://127.0.0.1:$port,ipc://$PWD/b" >broker.log 2>&1 &
start_relay() {
    "$testudo" broker --relay "127.0.0.1:$port" --listen "ipc://$PWD/r" >>relay.log 2>&1 &
    relay=$!
}
start_relay
"$testudo" actor --connect "ipc://$PWD/r" >actor1.log 2>&1 &
one=$!
"$testudo" actor --connect "ipc://$PWD/r" >actor2.log 2>&1 &
two=$!
"$testudo" learner --connect "127.0.0.1:$port" "$top/tests/system/tiny.yaml" --runs runs/relayed run.steps=$steps >learner.log 2>&1 &
learner=$!
stats() { "$testudo" stats --connect "ipc://$PWD/$1" --json --count 1 --timeout 5 2>/dev/null; }
field() { stats "$1" | grep -o "\"$2\":[0-9]*" | head -n 1 | cut -d: -f2; }
at() { [ "$(field b distinct)" -ge "$1" ]; }
wait_for 60 at 20
both() { [ "$(stats b | grep -o '"relayed":true' | wc -l)" = 2 ]; } # the broker says which actors come through a relay
wait_for 60 both
stats b >broker.json
says broker.json '"key":"actor"'
stats r >relay.json
says relay.json '"role":"relay","actors":2'
kill -9 $relay
wait $relay 2>/dev/null
rm -f r
start_relay
before=$(field b distinct)
wait_for 30 at $((before + 10))
stats r >relay.json
asked=$(field r asked) fetched=$(field r fetched)
echo "blobs: $asked chunks asked for, $fetched fetched"
[ "$fetched" -gt 0 ] && [ "$asked" -gt "$fetched" ] || fail "what was fetched once did not serve both"
wait $learner || { cat learner.log relay.log; fail "the learner left with $?"; }
wait $one || fail "an actor left with $?"
wait $two || fail "an actor left with $?"
grep -q 'unexplained=0' learner.log || { cat learner.log; fail "the book does not close"; }
cmp <(final_hash direct) <(final_hash relayed) || fail "the relay changed what was learned"
kill $relay
wait $relay || fail "the relay left with $?"

# Beyond this machine it does not listen: whoever is behind it is trusted as it is.
expect 2 "$testudo" broker --relay "127.0.0.1:$port" --listen tcp://0.0.0.0:5999
says err.txt "is not this machine's loopback"
expect 2 "$testudo" broker --relay "127.0.0.1:$port" --key keys/broker.key --listen "ipc://$PWD/r2"
says err.txt "is a broker's own key"
# Whoever asks for more than its key may have ends it: an actor behind a relay with an observer's key.
"$testudo" actor --connect "ipc://$PWD/r2" >actor3.log 2>&1 &
expect 1 timeout 30 "$testudo" broker --relay "127.0.0.1:$port" --key keys/observer.key --listen "ipc://$PWD/r2"
says err.txt "may not send actor-hello"
kill %1
