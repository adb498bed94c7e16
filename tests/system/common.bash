# What the system tests share. A test sources this first; it then stands in an empty folder of its own, which is removed at the end.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
testudo=${TESTUDO:-$top/build/san/bin/testudo}
[ -x "$testudo" ] || { echo "no program at $testudo (make PROFILE=san program)"; exit 1; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/testudo-system-XXXXXX") || exit 1
leave() {
    local status=$?
    if [ $status != 0 ] && [ $status != 77 ]; then
        find "$folder" -name log.txt -exec sh -c 'echo "--- $1"; tail -n 25 "$1"' sh {} \;
    fi
    if declare -F at_exit >/dev/null; then at_exit $status; fi # what a test has to put away beside its folder
    # A launcher that a failed test left running: its children follow it.
    local left
    left=$(jobs -p)
    # shellcheck disable=SC2086
    [ -z "$left" ] || { kill -9 $left 2>/dev/null; wait 2>/dev/null; }
    rm -rf "$folder"
    exit $status
}
trap leave EXIT
cd "$folder" || exit 1
mkdir rt
export XDG_RUNTIME_DIR=$folder/rt # where launchers put their sockets

fail() {
    echo "FAILED: $*"
    exit 1
}

# expect CODE COMMAND...: runs it, output into out.txt and err.txt, and fails unless it leaves with CODE.
expect() {
    local want=$1 got
    shift
    "$@" >out.txt 2>err.txt </dev/null
    got=$?
    [ "$got" = "$want" ] || { cat out.txt err.txt; fail "exit code $got, expected $want: $*"; }
}

# says FILE TEXT: the file must hold the text.
says() {
    grep -qF -- "$2" "$1" || { cat "$1"; fail "$1 does not say: $2"; }
}

# wait_for SECONDS COMMAND...: until the command succeeds, polled; fails when the time is over.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $*"
        sleep 0.05
    done
}

# Trains the tiny recipe below runs/NAME: tiny NAME [arguments].
tiny() {
    (tiny_exec "$@")
}

# The same in place of this shell: `tiny_exec NAME &` leaves the launcher's process id in $!.
tiny_exec() {
    local name=$1
    shift
    exec "$testudo" train "$top/tests/system/tiny.yaml" --runs "runs/$name" --quiet "$@"
}

run_folder() {
    find "runs/$1" -type d -name 'seed-*' 2>/dev/null | head -n 1
}

# The hash of the learning state that a run ended with.
final_hash() {
    "$testudo" inspect --hash "$(run_folder "$1")/checkpoints/latest"
}

# Process id of a child ("learner/0") of the last start, from the launcher's log; nothing when it has not started.
pid_of() {
    sed -n "s|.*child started name=$2 pid=\([0-9]*\).*|\1|p" "$(run_folder "$1")/log.txt" 2>/dev/null | tail -n 1
}
