# A broker keeps its rate while a thousand connections a second are turned away at its door: environment steps of a run under keys, with
# and without them. Where all processes share two cores, the clients that knock take their part of them, too, so the run is given a rate that it
# could exceed: one actor of a slow environment.
TESTUDO=$(cd "$(dirname "$0")/../.." && pwd)/bin/testudo
. "$(dirname "$0")/../system/common.bash"
# shellcheck disable=SC2046
"${CC:-gcc}" -O2 -o refused "$top/tests/long/refused.c" $(pkg-config --cflags --libs libzmq) 2>err.txt || { cat err.txt; fail "no client"; }
ulimit -n "$(ulimit -Hn)"
export HOME=$folder
expect 0 "$testudo" keygen keys
export TESTUDO_KEYS=$folder/keys
server=$(sed -n 's/ *server-key = "\(.*\)"/\1/p' keys/actor.key)
port=$((20000 + RANDOM))
"$testudo" broker --listen "tcp://127.0.0.1:$port" >broker.log 2>&1 &
broker=$!
"$testudo" learner --connect "127.0.0.1:$port" foraging method=mappo-fast run.steps=400M run.mode=async >learner.log 2>&1 &
"$testudo" actor --connect "127.0.0.1:$port" >actor.log 2>&1 &
look() { "$testudo" stats --connect "127.0.0.1:$port" --json --count 1 --timeout 10; }
number() { look | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
trains() { [ "$(number distinct)" -gt 50 ]; }
wait_for 60 trains
ticks() { awk '{print $14 + $15}' "/proc/$broker/stat"; }
# rate SECONDS: deliveries a second
deliveries() {
    local before after
    before=$(number distinct)
    sleep "$1"
    after=$(number distinct)
    echo $(((after - before) / $1))
}
calm=$(deliveries 15)
cpu=$(ticks)
./refused "$port" 1000 17 "$server" >opened.txt &
knocking=$!
flooded=$(deliveries 15)
wait $knocking || fail "the client that knocks failed"
cpu=$(($(ticks) - cpu))
look >after.json
refused=$(sed 's/.*"security":{//; s/"denied_messages".*//' after.json | grep -o '"\(denied\|plain\|key\|protocol\|broken\)":[0-9]*' | cut -d: -f2 | paste -sd+ | bc)
echo "trajectories a second: $calm calm, $flooded with $(cat opened.txt) connections refused in 17 s ($refused counted); broker's processor time $cpu ticks"
[ "$refused" -ge $(($(cat opened.txt) * 9 / 10)) ] || fail "not every refused connection was counted"
[ $((flooded * 100)) -ge $((calm * 80)) ] || fail "the rate fell from $calm to $flooded"
[ "$(wc -l <broker.log)" -lt 100 ] || fail "refused connections fill the log"
[ "$(grep -c malformed broker.log)" = 0 ] || fail "malformed messages"
