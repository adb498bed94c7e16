# Any one process may be killed at any time: the run ends by itself, with the same learning state as if nothing had happened.
. "$(dirname "$0")/common.bash"
tiny calm --actors 2 >out.txt 2>err.txt || { cat out.txt err.txt; fail "training undisturbed"; }
final_hash calm >calm.hash || fail "no checkpoint"

# Rows of progress.csv so far: how many updates were made.
updates() {
    cat "$(run_folder "$1")/progress.csv" 2>/dev/null | wc -l
}
has_updates() {
    [ "$(updates "$1")" -gt "$2" ] || ! kill -0 "$3" 2>/dev/null
}

# disturb NAME CHILD: trains and kills the child twice, some updates apart.
disturb() {
    local name=$1 child=$2 trainer pid done_before=0
    tiny_exec "$name" --actors 2 >"$name.out" 2>"$name.err" &
    trainer=$!
    for after in 4 14; do
        wait_for 120 has_updates "$name" $after $trainer
        pid=$(pid_of "$name" "$child")
        kill -0 $trainer 2>/dev/null || break
        if [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; then done_before=$((done_before + 1)); fi
    done
    wait $trainer || { cat "$name.err"; fail "killing $child ended the run"; }
    [ $done_before -gt 0 ] || fail "$child was never killed: the run was over too soon"
    cmp calm.hash <(final_hash "$name") || fail "killing $child changed the result"
}
disturb learner learner/0
disturb broker broker/0
disturb actor actor/1

# The books of all runs close: one final line each, and nothing unexplained.
grep -h 'run complete' runs/*/*/*/*/*/seed-1/log.txt >books.txt
[ "$(wc -l <books.txt)" -ge 4 ] || fail "a run did not print its final book"
if grep -v 'unexplained=0' books.txt; then fail "a book does not close"; fi

# Stopped by Ctrl-C and started again.
tiny_exec stopped --actors 2 >out.txt 2>err.txt &
trainer=$!
wait_for 120 has_updates stopped 6 $trainer
kill -INT $trainer 2>/dev/null
if wait $trainer; then fail "stopped, yet exit code 0"; fi
says err.txt "checkpoint saved"
expect 0 tiny stopped --actors 2
cmp calm.hash <(final_hash stopped) || fail "stopping and resuming changed the result"

# The launcher itself killed: its children leave, and the run goes on with the same command.
tiny_exec launcher --actors 2 >out.txt 2>err.txt &
trainer=$!
wait_for 120 has_updates launcher 6 $trainer
learner=$(pid_of launcher learner/0)
kill -9 $trainer 2>/dev/null
wait $trainer 2>/dev/null
is_gone() { ! kill -0 "$1" 2>/dev/null; }
wait_for 30 is_gone "$learner"
expect 0 tiny launcher --actors 2
cmp calm.hash <(final_hash launcher) || fail "killing the launcher changed the result"
