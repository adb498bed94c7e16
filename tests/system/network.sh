# Actors on another machine, behind a network that fails: a namespace with a cable (veth) of its own. The cable is slow, loses packets,
# swallows everything for longer than a lease (so both ends hold connections whose other end is gone), is unplugged; an actor dies while
# nobody can hear of it. The run learns what it learns undisturbed, and its books close.
. "$(dirname "$0")/common.bash"
[ "$(id -u)" = 0 ] || { echo "skipped: network namespaces need root"; exit 77; }
for program in ip tc iptables; do
    command -v $program >/dev/null || { echo "skipped: $program is missing (Debian: iproute2, iptables)"; exit 77; }
done
space=testudo-$$ cable=ts$$
ip netns add "$space" 2>err.txt || { echo "skipped: no network namespaces here: $(cat err.txt)"; exit 77; }
at_exit() {
    ip netns pids "$space" | xargs -r kill -9
    ip netns del "$space" # and its end of the cable, hence the cable
}
net=10.213.$((RANDOM % 250))
ip link add "$cable" type veth peer name far netns "$space" || fail "no veth"
ip addr add "$net.1/30" dev "$cable" && ip link set "$cable" up || fail "no address for the cable"
there() { ip netns exec "$space" "$@"; }
there ip addr add "$net.2/30" dev far && there ip link set far up || fail "no address for the other end"

export HOME=$folder
expect 0 "$testudo" keygen keys
export TESTUDO_KEYS=$folder/keys
steps=${STEPS:-320k}
expect 0 tiny calm --actors 2 run.steps="$steps"
port=$((20000 + RANDOM))
"$testudo" broker --listen "tcp://$net.1:$port,ipc://$PWD/b" >broker.log 2>&1 &
up() { [ -S b ]; }
wait_for 10 up
"$testudo" learner --connect "ipc://$PWD/b" "$top/tests/system/tiny.yaml" --runs runs/far run.steps="$steps" >learner.log 2>&1 &
learner=$!
actor() { exec ip netns exec "$space" "$testudo" actor --connect "$net.1:$port" >"actor$1.log" 2>&1; }
actor 1 &
one=$!
actor 2 &
two=$!
stats() { "$testudo" stats --connect "ipc://$PWD/b" --json --count 1 --timeout 5 2>/dev/null; }
field() { stats | grep -o "\"$1\":[0-9]*" | head -n 1 | cut -d: -f2; }
at() { [ "$(field distinct)" -ge "$1" ]; }
more() { # more N: so many trajectories more than now, before a minute is over
    local from
    from=$(field distinct)
    wait_for 60 at $((from + $1))
}
drop() { there iptables -"$1" INPUT "${@:2}" -j DROP && there iptables -"$1" OUTPUT "${@:2}" -j DROP || fail "iptables"; }

wait_for 60 at 20
there tc qdisc add dev far root tbf rate 20mbit burst 64k latency 100ms || fail "no slow cable"
more 40
echo "slow: goes on"
there tc qdisc del dev far root
drop A -m statistic --mode random --probability 0.02
more 40
echo "2 % of packets lost each way: goes on"
there iptables -F

drop A
before=$(field distinct)
sleep 1
kill -9 $two # nobody hears of it
wait $two 2>/dev/null
sleep 5      # longer than a lease: what both held is given to nobody, for there is nobody else
# What was under way may still have come.
[ $(($(field distinct) - before)) -lt 40 ] || fail "the cable swallows everything, and yet trajectories arrive"
there iptables -F
actor 2 &
two=$!
more 40
echo "everything lost for 6 s, one actor dead meanwhile: goes on"
there ip link set far down
sleep 2
there ip link set far up
more 40
echo "unplugged for 2 s: goes on"
wait $learner || { cat learner.log; fail "the learner left with $?"; }
wait $one || { cat actor1.log; fail "an actor left with $?"; }
wait $two || { cat actor2.log; fail "an actor left with $?"; }
grep 'unexplained=0' learner.log || { cat learner.log; fail "the book does not close"; }
cmp <(final_hash calm) <(final_hash far) || fail "the network changed what was learned"
