# A broker whose open files are used up by connections that say nothing: as soon as their handshakes run out it serves again, and it neither
# dies nor needs a restart.
. "$(dirname "$0")/common.bash"
port=$((20000 + RANDOM % 20000))
(ulimit -n 60 && exec "$testudo" broker --listen "tcp://127.0.0.1:$port" --parent $$) >broker.txt 2>&1 &
broker=$!
is_here() { "$testudo" stats --connect "tcp://127.0.0.1:$port" --json --count 1 --timeout 1 >stats.txt 2>&1; }
wait_for 20 is_here

# 120 of them, from here: nothing is sent, nothing closed.
fds=()
for _ in $(seq 120); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$port" || fail "no connection"
    fds+=("$fd")
done
before=$SECONDS
wait_for 15 is_here # twice the handshake's time limit, on a machine that does other things, too
echo "served again after $((SECONDS - before)) s"
kill -0 $broker || { cat broker.txt; fail "the broker died"; }
open=$(find /proc/$broker/fd -mindepth 1 2>/dev/null | wc -l)
[ "$open" -le 60 ] || fail "the broker has $open open files"
for fd in "${fds[@]}"; do exec {fd}>&-; done
kill $broker
wait $broker
