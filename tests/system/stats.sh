# Statistics of a running and of a finished cluster: rows, JSON, top, health, pages. The broker dies in between and all of them go on.
# At the end every number of the book on top, in /varz, in /metrics and in the learner's own last line is the same.
. "$(dirname "$0")/common.bash"
broker=
start_broker() {
    "$testudo" broker --listen "ipc://$folder/rt/b" --monitor "127.0.0.1:${port:-0}" >>broker.log 2>&1 &
    broker=$!
    serves() { port=$(sed -n 's|.*monitor serves http://127.0.0.1:\([0-9]*\)/.*|\1|p' broker.log | tail -n 1) && [ -n "$port" ]; }
    wait_for 20 serves
    answers() { "$testudo" health --monitor "127.0.0.1:$port" >health.txt 2>&1; }
    wait_for 20 answers
}
page() { # page PATH: its body
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&3
    sed '1,/^\r*$/d' <&3
    exec 3<&-
}
connect=(--connect "ipc://$folder/rt/b")

expect 1 "$testudo" stats "${connect[@]}" --count 1 --timeout 1
says err.txt "is a broker there?"
expect 2 env HOME="$PWD" "$testudo" stats --connect tcp://192.0.2.1:5555 --count 1
says err.txt "--insecure"
expect 2 "$testudo" stats "${connect[@]}" -i 0
expect 2 "$testudo" top "${connect[@]}" -s q
expect 1 "$testudo" health --monitor 127.0.0.1:1
start_broker
expect 1 "$testudo" health --monitor "127.0.0.1:$port" --role learner
expect 1 "$testudo" health --monitor "127.0.0.1:$port" --role actor
expect 0 "$testudo" top "${connect[@]}" --once
says out.txt "no run"

run() {
    exec "$testudo" learner "${connect[@]}" "$top/tests/system/tiny.yaml" run.steps=100k method=eir-mappo eir.interval=2 belief.hidden=16 \
        belief.depth=1 run.lease_ms=4000 run.checkpoint_every=50 >learner.log 2>&1
}
run &
learner=$!
for i in 1 2; do "$testudo" actor "${connect[@]}" >"actor$i.log" 2>&1 & done
trains() { "$testudo" stats "${connect[@]}" --count 1 --json 2>/dev/null | grep -q '"phase":"train".*"update":[1-9]'; }
wait_for 60 trains
expect 0 "$testudo" health --monitor "127.0.0.1:$port" --role learner
expect 0 "$testudo" health --monitor "localhost:$port" --role actor

# A row an interval, a header over them, differences in brackets.
expect 0 "$testudo" stats "${connect[@]}" -i 0.3 -n 3
[ "$(wc -l <out.txt)" = 4 ] || { cat out.txt; fail "not a header and three rows"; }
grep -Eq '^time .*trained.*open' out.txt || fail "no header"
[ "$(grep -Ec '^[0-9:]{8} +(train|evaluate|done) .*\(\+[0-9]+\)' out.txt)" = 3 ] || { cat out.txt; fail "rows without differences"; }
expect 0 "$testudo" top "${connect[@]}" --once
for word in "verdict" "steps/s" "announced" "HOST" "$(hostname | cut -c1-16)"; do says out.txt "$word"; done
for path in / /healthz /readyz /varz /connz /history; do [ -n "$(page $path)" ] || fail "$path is empty"; done
page / | grep -q '</html>' || fail "the dashboard is cut"
if page / | grep -Eq '(src|href)="?(https?:)?//'; then fail "the dashboard asks for something from outside"; fi

# The broker dies; whoever watches goes on with the next one.
"$testudo" stats "${connect[@]}" -i 0.2 --timeout 1 >watch.txt 2>watch.err &
watcher=$!
rows() { [ "$(grep -c '^[0-9]' watch.txt)" -gt "$1" ]; }
wait_for 20 rows 1
kill -9 $broker
wait $broker 2>/dev/null
notices() { grep -q "asking again" watch.err; }
wait_for 20 notices
seen=$(grep -c '^[0-9]' watch.txt)
start_broker
wait_for 30 rows "$seen"
kill $watcher
wait $watcher 2>/dev/null

# The end: one truth.
wait $learner || { cat learner.log; fail "the learner failed"; }
grep 'run complete' learner.log >book.txt
"$testudo" top "${connect[@]}" --once >top.txt || fail "top after the end"
page /varz >varz.txt
page /metrics >metrics.txt
in_book() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" book.txt; }
for fate in announced trained evaluated stale rejected rolled_back lost; do
    want=$(in_book $fate)
    [ -n "$want" ] || fail "the last line has no $fate"
    grep -Eq "[ =+] ?${fate/_/ } $want( |\$|,)" top.txt || { cat book.txt top.txt; fail "top says another number: $fate"; }
    grep -q "\"$fate\":$want[,}]" varz.txt || { cat book.txt varz.txt; fail "/varz says another number: $fate"; }
    grep -q "^testudo_book_trajectories{place=\"$fate\"} $want\$" metrics.txt || { cat book.txt metrics.txt; fail "/metrics: $fate"; }
done
says book.txt "unexplained=0"
says metrics.txt "testudo_book_unexplained 0"
says top.txt "unexplained 0"
says top.txt "steps $(sed -n 's/.*complete steps=\([0-9]*\).*/\1/p' book.txt) of"
# What the broker itself counted, too: deliveries as top, /varz and /metrics have them.
for result in distinct duplicate gap; do
    want=$(sed -n "s/.* $result \([0-9]*\).*/\1/p" top.txt)
    grep -q "^testudo_deliveries_total{result=\"$result\"} $want\$" metrics.txt || { cat top.txt metrics.txt; fail "$result"; }
    grep -q "\"deliveries\":{\"received\":[0-9]*,[^}]*\"$result\":$want[,}]" varz.txt || fail "/varz: $result"
done
# What the Grafana dashboard and the alarms ask for is there.
names=$(cat "$top/deploy/monitoring/grafana/testudo.json" "$top/deploy/monitoring/alerts.yml" | grep -Eo '\b(testudo|process)_[a-z_]+' |
    grep -v '^testudo_prometheus' | sed -E 's/_(bucket|sum|count)$//' | sort -u)
[ "$(echo "$names" | wc -l)" -ge 15 ] || fail "no names found"
for series in $names; do grep -q "^# TYPE $series " metrics.txt || fail "a panel or an alarm asks for $series, which is not in /metrics"; done
kill $broker
wait $broker || fail "the broker did not leave in peace"
