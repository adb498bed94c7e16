# Whoever has no key, the wrong one, or one of another role gets nothing from a broker and leaves nothing there, and each try is counted.
. "$(dirname "$0")/common.bash"
# shellcheck disable=SC2086 # CC may be several words (make CC="ccache gcc")
${CC:-gcc} -O1 -o replay "$top/tests/system/replay.c" 2>err.txt || { cat err.txt; fail "no replay"; }
export HOME=$folder/home
mkdir "$HOME"
keys=$HOME/.testudo/keys

# -- keys ---------------------------------------------------------------------------------------------------------------------
expect 0 "$testudo" keygen
for name in broker learner actor observer; do
    [ "$(stat -c %a "$keys/$name.key")" = 600 ] || fail "mode of $name.key"
done
cp -r "$keys" before
expect 2 "$testudo" keygen
says err.txt "has keys already"
expect 0 "$testudo" keygen --keep
[ ! -s out.txt ] || fail "--keep made keys anew"
expect 2 "$testudo" keygen --name actor
says err.txt "is there already"
diff -r before "$keys" || fail "a refused keygen changed something"
expect 0 "$testudo" keygen --name other
expect 0 "$testudo" keygen --name unlisted
sed -i '/ unlisted /d' "$keys/allowed"
expect 0 "$testudo" keygen "$PWD/foreign" # of another cluster

# -- a broker -----------------------------------------------------------------------------------------------------------------
expect 2 env HOME="$folder" "$testudo" broker --listen tcp://0.0.0.0:5998
says err.txt "beyond this machine a key is needed"
chmod 644 "$keys/broker.key"
expect 1 "$testudo" broker --listen tcp://0.0.0.0:5998
says err.txt "others can read it"
chmod 600 "$keys/broker.key"
port=$((20000 + RANDOM))
"$testudo" broker --listen "tcp://0.0.0.0:$port,ipc://$PWD/b" >broker.log 2>&1 &
broker=$!
up() { [ -S b ]; }
wait_for 10 up
says broker.log "security=curve"
there=tcp://127.0.0.1:$port
look() {
    echo >>looks # each is a question, too
    "$testudo" stats --connect "ipc://$PWD/b" --json --count 1 --timeout 5
}
count() { look | sed 's/.*"security":{//; s/"learner_status":.*//' | sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"; }
more() { [ "$(count "$1")" -gt "$2" ]; }

# -- not let in ---------------------------------------------------------------------------------------------------------------
broken=$(($(count plain) + $(count broken)))
# Whoever notices first hangs up; a client that is not told why goes on trying, and says what it may be.
timeout 15 "$testudo" actor --connect "$there" >out.txt 2>err.txt && fail "an actor without a key"
says err.txt "asks for a key"
expect 1 "$testudo" stats --connect "$there" --count 1 --timeout 2
says err.txt "asks for a key"
seen() { [ $(($(count plain) + $(count broken))) -ge $((broken + 2)) ]; } # whoever notices first hangs up
wait_for 10 seen
expect 1 "$testudo" stats --connect "$there" --key foreign/observer.key --count 1 --timeout 2
says err.txt "is the server key in our file its key"
wait_for 10 more key 0
expect 1 "$testudo" actor --connect "$there" --key "$keys/unlisted.key"
says err.txt "does not admit this key"
wait_for 10 more denied 0

# -- let in, and no more than that --------------------------------------------------------------------------------------------
expect 0 "$testudo" stats --connect "$there" --key "$keys/observer.key" --count 1
expect 1 "$testudo" actor --connect "$there" --key "$keys/observer.key"
says err.txt "may not send actor-hello"
expect 1 "$testudo" learner --connect "$there" --key "$keys/observer.key" "$top/tests/system/tiny.yaml"
says err.txt "may not send learner-hello"
expect 1 "$testudo" learner --connect "$there" --key "$keys/actor.key" "$top/tests/system/tiny.yaml"
says err.txt "may not send learner-hello"
[ "$(count role)" -ge 3 ] || fail "$(count role) messages counted that a role may not send"

# What was said before counts once, and for no other connection.
there_again() { [ -s "$1" ]; }
./replay again.port "$port" again &
replay=$!
wait_for 10 there_again again.port
questions() { look | sed -n 's/.*"stats":{"messages_in":\([0-9]*\).*/\1/p'; }
before=$(questions)
: >looks
failures() { echo $(($(count key) + $(count replay) + $(count protocol))); }
failed=$(failures)
expect 0 "$testudo" stats --connect "tcp://127.0.0.1:$(cat again.port)" --key "$keys/observer.key" --count 1
wait $replay || fail "replaying went wrong"
replayed() { [ "$(failures)" -gt "$failed" ]; }
wait_for 10 replayed
./replay twice.port "$port" twice &
replay=$!
wait_for 10 there_again twice.port
"$testudo" stats --connect "tcp://127.0.0.1:$(cat twice.port)" --key "$keys/observer.key" --count 2 --timeout 2 >out.txt 2>&1
wait $replay || fail "saying it twice went wrong"
wait_for 10 more replay 0
after=$(questions)
asked=$(wc -l <looks)
[ $((after - before)) = $((asked + 1 + 2)) ] || fail "$((after - before)) questions counted, asked were $((asked + 3))"
look >nothing.json
says nothing.json '"learner":{"state":"none"'
says nothing.json '"actors":[]'
says nothing.json '"received":0'

# -- a run, and who may be whom -----------------------------------------------------------------------------------------------
"$testudo" learner --connect "$there" --key "$keys/learner.key" "$top/tests/system/tiny.yaml" run.steps=4M run.name=steered >learner.log 2>&1 &
learner=$!
"$testudo" actor --connect "$there" --key "$keys/actor.key" --id 3 >actor.log 2>&1 &
actor=$!
works() { [ "$(look | sed -n 's/.*"distinct":\([0-9]*\).*/\1/p')" -gt 0 ]; }
wait_for 60 works
expect 1 "$testudo" actor --connect "$there" --key "$keys/other.key" --id 3
says err.txt "that number is another key's"
more actor 0 || fail "not counted"

# -- the list changes while it runs -------------------------------------------------------------------------------------------
echo "actor nonsense" >>"$keys/allowed"
wait_for 10 more failed_reloads 0
kill -0 $actor || fail "a broken list cost an actor"
sed -i '/nonsense/d; /^actor  *actor /d' "$keys/allowed"
wait_for 10 more revoked 0
gone() { look | grep -q '"key":"actor","relayed":false,"state":"gone"'; }
wait_for 20 gone
grep "^actor *actor " before/allowed >>"$keys/allowed"
kill -HUP $broker
back() { look | grep -q '"key":"actor","relayed":false,"state":"ready"'; }
wait_for 20 back
kill -9 $actor $learner
kill $broker
wait $broker || fail "the broker left with $?"
[ "$(grep -c 'peer refused reason=key' broker.log)" = 1 ] || fail "more than one line about the same kind of refusal"

# -- a cluster under keys ends as one in plain text does ------------------------------------------------------------------------
export TESTUDO_KEYS=$keys
"$testudo" broker --listen "tcp://127.0.0.1:$port" >broker.log 2>&1 &
broker=$!
"$testudo" actor --connect "127.0.0.1:$port" >actor.log 2>&1 &
expect 0 "$testudo" learner --connect "127.0.0.1:$port" "$top/tests/system/tiny.yaml" --runs runs/keys run.steps=8k
expect 0 tiny plain --actors 1 run.steps=8k
cmp <(final_hash keys) <(final_hash plain) || fail "keys changed what was learned"
kill $broker
