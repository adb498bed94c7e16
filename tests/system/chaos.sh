# Two minutes of faults by `testudo chaos`: processes are killed, frozen and restarted, the learner's disk is full, at random moments, several times a run. Every run ends
# by itself with closed books, and in sync mode with the learning state of an undisturbed run, so that nothing was trained on twice and
# nothing was left out. CHAOS_SECONDS and CHAOS_SEED choose another length and another course.
. "$(dirname "$0")/common.bash"
seconds=${CHAOS_SECONDS:-120} seed=${CHAOS_SEED:-1}
method="method=eir-mappo eir.interval=2 belief.hidden=16 belief.depth=1"

# broken SECONDS ARGUMENTS: faults of one kind of run; adds to `faults`.
faults=0 number=0
broken() {
    local for=$1
    shift
    number=$((number + 1))
    # shellcheck disable=SC2086
    "$testudo" chaos "$top/tests/system/tiny.yaml" $method --runs "runs/$number" --seconds "$for" --seed "$seed" --wait 200 "$@" >out.txt 2>err.txt ||
        { cat out.txt err.txt; fail "chaos $*"; }
    tail -n 1 out.txt
    faults=$((faults + $(tail -n 1 out.txt | cut -d ' ' -f 1)))
}
broken $((seconds / 2)) --faults kill --every 1000 --compare
broken $((seconds / 4)) --faults kill,freeze,restart,disk --every 1500 --compare
broken $((seconds / 4)) --faults kill,freeze --every 1000 run.mode=async
[ $faults -ge 10 ] || fail "only $faults faults: the test did not test"

# What cannot be asked for.
expect 2 "$testudo" chaos
expect 2 "$testudo" chaos matrix --compose x
expect 2 "$testudo" chaos matrix --faults kill,bite
says err.txt '"bite"'
