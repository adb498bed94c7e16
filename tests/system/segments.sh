# The replay's files: a learner that is killed, in the middle of an interval and as it writes, ends with the same learning state; files that
# are spoilt are named; a full disk is an alarm, not an end; what no checkpoint needs goes.
. "$(dirname "$0")/common.bash"
qmix="method=qmix env.name=foraging env.scenario=8x8-2p-1f rollout.lanes=6 rollout.steps=20 rollout.chunk=10 q.batch=8 q.hidden=16
      act.recurrent=16 q.target_every=10 q.epsilon_steps=3000 replay.episodes=60 run.steps=9600"
# shellcheck disable=SC2086
tiny calm --actors 2 $qmix >out.txt 2>err.txt || { cat out.txt err.txt; fail "training undisturbed"; }
final_hash calm >calm.hash || fail "no checkpoint"
says "$(run_folder calm)/log.txt" "learning stood still for checkpoints"

# What the checkpoints refer to, and nothing else, lies on the disk; sealed segments of an interval before its checkpoint, too.
run=$(run_folder calm)
for file in "$run"/checkpoints/0*.safetensors; do
    expect 0 "$testudo" inspect "$file"
    sed -n 's|^replay/\(.*\.segment\) .*|\1|p' out.txt
done | sort -u >referred.txt
[ "$(wc -l <referred.txt)" -ge 4 ] || fail "only $(wc -l <referred.txt) segments: the test shows nothing"
cmp referred.txt <(ls "$run/replay") || { ls "$run/replay"; fail "files and references differ"; }
[ "$(head -n 1 referred.txt)" != 00000000.segment ] || fail "no segment was ever removed"

has_checkpoint() {
    [ -e "runs/$1/foraging/8x8-2p-1f/qmix/default/seed-1/checkpoints/$2.safetensors" ]
}
is_past() {
    [ "$(wc -l <"$(run_folder "$1")/progress.csv")" -gt "$2" ]
}

# kill -9 of the learner: some updates behind a checkpoint, and as soon as one is there (its segments are then being removed).
# shellcheck disable=SC2086
tiny_exec killed --actors 2 $qmix >out.txt 2>err.txt &
trainer=$!
wait_for 120 has_checkpoint killed 00000010
wait_for 60 is_past killed 14
kill -9 "$(pid_of killed learner/0)" || fail "the learner was gone already"
wait_for 120 has_checkpoint killed 00000030
kill -9 "$(pid_of killed learner/0)" || fail "the learner was gone already"
wait $trainer || { cat err.txt; fail "killing the learner ended the run"; }
cmp calm.hash <(final_hash killed) || fail "killing the learner changed the result"
[ "$(grep -c 'resuming checkpoint' "$(run_folder killed)/log.txt")" -ge 2 ] || fail "it never resumed"

# Spoilt while nobody ran.
# shellcheck disable=SC2086
tiny_exec spoilt --actors 2 $qmix >out.txt 2>err.txt &
trainer=$!
wait_for 120 has_checkpoint spoilt 00000020
kill -INT $trainer
wait $trainer
run=$(run_folder spoilt)
segment=$("$testudo" inspect "$run/checkpoints/latest" | sed -n 's|^replay/\(.*\.segment\) .*|\1|p' | head -n 1)
cp "$run/replay/$segment" kept
resumes_not() {
    # shellcheck disable=SC2086
    expect 1 tiny spoilt --actors 2 $qmix
    cat "$run/log.txt" err.txt >told.txt
    says told.txt "$segment"
    says told.txt "$1"
    if "$testudo" inspect "$run/checkpoints/latest" >out.txt 2>err.txt; then fail "inspect takes a spoilt segment for good"; fi
    says err.txt "$1"
}
rm "$run/replay/$segment"
resumes_not "No such file or directory"
head -c 5000 kept >"$run/replay/$segment"
resumes_not "it was cut off"
cp kept "$run/replay/$segment"
printf x | dd of="$run/replay/$segment" bs=1 seek=3000 conv=notrunc status=none
resumes_not "it was altered"
cp kept "$run/replay/$segment"
# shellcheck disable=SC2086
tiny spoilt --actors 2 $qmix >out.txt 2>err.txt || { cat out.txt err.txt; fail "resuming with the file as it was"; }
cmp calm.hash <(final_hash spoilt) || fail "stopping and resuming changed the result"

# A disk that takes no more of a file than a part of a segment, for a while: an alarm, and the run goes on; then the same result.
# shellcheck disable=SC2086
tiny_exec full --actors 2 $qmix >out.txt 2>err.txt &
trainer=$!
wait_for 120 has_checkpoint full 00000005
learner=$(pid_of full learner/0)
prlimit --pid "$learner" --fsize=20000:unlimited || fail "prlimit"
alarmed() { grep -q 'checkpoint failed' "$(run_folder full)/log.txt"; }
wait_for 60 alarmed
prlimit --pid "$learner" --fsize=unlimited:unlimited || fail "prlimit"
wait $trainer || { cat err.txt; fail "a full disk ended the run"; }
says "$(run_folder full)/log.txt" "checkpoint written again"
cmp calm.hash <(final_hash full) || fail "a full disk changed the result"

# A ceiling that cannot hold is refused. The lowest one that can does, at every moment, and costs no checkpoint but the older of the two:
# every interval fills the replay anew, so that three checkpoints would need more.
ring="method=qmix env.name=foraging env.scenario=8x8-2p-1f rollout.lanes=12 rollout.steps=50 rollout.chunk=10 q.hidden=16 act.recurrent=16
      q.updates_per_episode=0 replay.bytes=1M run.checkpoint_every=25 run.steps=90k"
# shellcheck disable=SC2086
expect 1 tiny low --actors 1 $ring replay.disk_bytes=100k
says err.txt "replay.disk_bytes is 100000, but two checkpoints"
least=$(sed -n 's/.* need up to \([0-9]*\):.*/\1/p' err.txt)
# shellcheck disable=SC2086
tiny wide --actors 2 $ring >out.txt 2>err.txt || { cat out.txt err.txt; fail "training without a ceiling"; }
# shellcheck disable=SC2086
tiny_exec least --actors 2 $ring replay.disk_bytes="$least" >out.txt 2>err.txt &
trainer=$!
most=0
while kill -0 $trainer 2>/dev/null; do
    now=$(find runs/least -name '*.segment' -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }')
    [ "$now" -le "$most" ] || most=$now
    sleep 0.05
done
wait $trainer || { cat err.txt; fail "training at the lowest ceiling"; }
[ "$most" -gt 1000000 ] && [ "$most" -le "$least" ] || fail "segments had $most bytes, the ceiling is $least"
says "$(run_folder least)/log.txt" "replay.disk_bytes is reached"
if grep 'checkpoint failed' "$(run_folder least)/log.txt"; then fail "the lowest ceiling is too low"; fi
cmp <(final_hash wide) <(final_hash least) || fail "a ceiling changed the result"
