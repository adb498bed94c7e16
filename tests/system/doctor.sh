# Every subject of `testudo doctor` with something that is broken on purpose: it says so, with a remedy, and leaves accordingly.
. "$(dirname "$0")/common.bash"
export HOME=$folder
doctor() { "$testudo" doctor --keys keys "$@"; }
# grade GRADE TEXT: a line with this grade says the text.
grade() { grep -q "^$1 .*$2" out.txt || { cat out.txt; fail "no line with $1: $2"; }; }
remedy() { grep -A 1 -- "$1" out.txt | grep -q -- "^  .*$2" || { cat out.txt; fail "no remedy $2"; }; }
ulimit -n 4096 2>/dev/null || ulimit -n "$(ulimit -Hn)"

expect 0 doctor
grade ok "none in keys"
grade ok "written and synced"
expect 0 doctor --json
[ "$(tr '{' '\n' <out.txt | grep -c '"subject":')" -ge 7 ] || fail "JSON without lines"

expect 0 "$testudo" keygen keys
expect 0 doctor
grade ok "the key actor of role actor"
chmod 644 keys/actor.key
expect 1 doctor
grade fail "others can read it"
remedy "others can read it" "chmod 600"
chmod 600 keys/actor.key
cp keys/allowed kept
sed -i '/^observer/d' keys/allowed
expect 0 doctor
grade warn "observer.key is not on the list"
echo nonsense >>keys/allowed
expect 1 doctor
grade fail "allowed:3: 1 words"
cp kept keys/allowed
sed -i 's/role = .*/role = "king"/' keys/learner.key
expect 1 doctor
grade fail 'role is "king"'
rm keys/learner.key

expect 1 bash -c "ulimit -n 200; exec '$testudo' doctor --keys keys"
grade fail "200 may be open"
remedy "200 may be open" "ulimit -n"
expect 1 doctor --runs nowhere
grade fail "No such file"

# A port that is taken, a broker that is there, and one that is not.
expect 0 "$testudo" keygen keys --name out
mv keys/out.key .
sed -i '/ out /d' keys/allowed
port=$((20000 + RANDOM))
"$testudo" broker --listen "tcp://127.0.0.1:$port" --key keys/broker.key >broker.log 2>&1 &
broker=$!
answers() { "$testudo" doctor --keys keys --connect "127.0.0.1:$port" --key keys/observer.key --timeout 1 >out.txt 2>err.txt; }
wait_for 10 answers
grade ok "answers"
grade ok "as this program does"
grade ok "within 2.0 s of the broker"
expect 1 doctor --connect "127.0.0.1:$port" --timeout 2
grade fail "asks for a key"
expect 0 doctor --connect "127.0.0.1:$port" --key keys/observer.key
grade ok "answers"
expect 1 doctor --connect "127.0.0.1:$port" --key out.key
grade fail "does not admit this key"
expect 0 doctor --connect "127.0.0.1:$port" --key keys/observer.key
grade warn "did not let in"
kill $broker
wait $broker
expect 1 doctor --connect "127.0.0.1:$port" --key keys/observer.key --timeout 1
grade fail "is a broker there"

# Libraries told to be slow.
if grep -q avx2 /proc/cpuinfo; then
    expect 0 env OPENBLAS_CORETYPE=Prescott "$testudo" doctor --keys keys
    grade warn "kernel Prescott"
fi
