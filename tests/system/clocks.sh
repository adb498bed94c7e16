# Clocks that jump: the wall clocks of a broker, a learner and an actor go forward by an hour and back by two days, one after another, while a
# sync run goes on. Nothing is lost, late or rejected for it, no age or rate of the statistics is absurd, and the run ends with the state of
# an undisturbed one.
library=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || { echo "FAILED: libfaketime is missing (sh deploy/install-deps tests)"; exit 1; }
TESTUDO=$(cd "$(dirname "$0")/../.." && pwd)/build/release/bin/testudo # a sanitizer's library would have to come before the clock's
make -s -C "$(dirname "$0")/../.." PROFILE=release program >/dev/null || exit 1
. "$(dirname "$0")/common.bash"
connect=(--connect "ipc://$folder/rt/b")
recipe=("$top/tests/system/tiny.yaml" run.steps=3M run.checkpoint_every=100)

# launch NAME COMMAND...: with a clock of its own, whose offset stands in NAME.clock; its process id in $pid.
launch() {
    local name=$1
    shift
    [ -e "$name.clock" ] || echo "+0" >"$name.clock"
    env LD_PRELOAD="$library" FAKETIME_TIMESTAMP_FILE="$folder/$name.clock" FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1 \
        FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 "$@" >>"$name.log" 2>&1 &
    pid=$!
}
jump() { # jump NAME OFFSET: at once, or never half
    echo "$2" >"$1.new"
    mv "$1.new" "$1.clock"
}
stats() { "$testudo" stats "${connect[@]}" --count 1 --json --timeout 2 2>/dev/null; }
update() { stats | sed -n 's/.*"update":\([0-9]*\).*/\1/p'; }
is_at() { [ "$(update)" -ge "$1" ] 2>/dev/null; }
# Whatever is called an age or ends in seconds, but for dates, lies between 0 and ten minutes.
look() {
    stats >stats.json
    grep -oE '"[a-z_]*(seconds|age|age_us|rtt_us)":-?[0-9.e+-]+' stats.json | grep -v unix >ages.txt
    [ -s ages.txt ] || fail "the statistics have no ages"
    awk -F: '{ limit = $1 ~ /_us/ ? 6e8 : 600 } $2 < 0 || $2 > limit { print; bad = 1 } END { exit bad }' ages.txt ||
        { cat stats.json; fail "an absurd age after: $1"; }
    grep -oE '"[a-z_]*(per_s|_rate)":-?[0-9.e+-]+' stats.json | awk -F: '$2 < 0 || $2 > 1e9 { exit 1 }' ||
        { cat stats.json; fail "an absurd rate after: $1"; }
}

# Undisturbed.
"$testudo" train "${recipe[@]}" run.name=still --runs still --quiet --actors 2 >out.txt 2>err.txt || { cat err.txt; fail "undisturbed"; }

launch broker "$testudo" broker --listen "ipc://$folder/rt/b"
launch learner "$testudo" learner "${connect[@]}" "${recipe[@]}" run.name=jumps
learner=$pid
launch actor0 "$testudo" actor "${connect[@]}" --id 0
launch actor1 "$testudo" actor "${connect[@]}" --id 1
wait_for 20 is_at 1
for name in broker learner actor0; do
    for offset in +3600 -172800; do
        before=$(update)
        jump "$name" "$offset"
        wait_for 20 is_at $((before + 50))
        look "$name $offset"
    done
done
wait $learner || { tail -n 20 learner.log; fail "the learner"; }
grep -q "run complete.*stale=0 rejected=0 .*unexplained=0" learner.log || { tail learner.log; fail "books"; }
silent=$(cat broker.log learner.log | grep -c silent)
[ "$silent" = 0 ] || { cat broker.log; fail "somebody was thought dead"; }
# The jumps really reached the learner: it dates its checkpoints with the wall clock.
now=$(date +%s)
dated=$(sed -n 's/.*"checkpoint_unix_seconds":\([0-9.e+]*\).*/\1/p' stats.json | awk '{ printf "%d", $1 }')
[ $((now - dated)) -gt 170000 ] && [ $((now - dated)) -lt 180000 ] || fail "the learner's clock did not jump: $dated, now $now"
hash_of() { "$testudo" inspect --hash "$(find "$1" -type d -name checkpoints | head -n 1)/latest"; }
cmp <(hash_of still) <(hash_of runs) || fail "another state than the undisturbed run"
exit 0
