# Many actors on one broker: 1,000 in plain text, 300 under CURVE, and 1,000 behind three relays. At 70 % of the highest rate the 99th percentile
# of trajectories' ages stays below 250 ms, and no broker or relay takes 1 GiB; nobody is left out. All of them share this machine's processors
# with sender and learner, and with whatever else runs here: what fails is tried again, twice at most. See tests/bench/broker_hop.c.
. "$(dirname "$0")/../system/common.bash"
make -s -C "$top" PROFILE=release program build/release/tests/bench/broker_hop >err.txt 2>&1 || { cat err.txt; fail "no bench"; }
export TESTUDO=$top/build/release/bin/testudo
unset TESTUDO_KEYS # without it there are no keys on this machine
hop=$top/build/release/tests/bench/broker_hop
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 4096 ] || { echo "skipped: needs 4096 open files, this machine allows $(ulimit -n)"; exit 77; }
expect 0 "$TESTUDO" keygen keys

# stands ARGUMENTS...: the bench holds, in one of three tries.
stands() {
    local try
    for try in 1 2 3; do
        "$hop" actors "$@" && return
        echo "(try $try did not hold)"
    done
    fail "actors $*"
}
stands 1000 65536 5 plain
TESTUDO_KEYS=$folder/keys stands 300 65536 5 curve
stands 1000 65536 5 relays
stands 1000 4096 5 plain
