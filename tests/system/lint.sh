# What may not stand in the sources. ZMTP heartbeats abort a process whose receive queue is at its mark (libzmq issue 3937), so liveness is the
# protocol's own business.
. "$(dirname "$0")/common.bash"
rooms=("$top/common" "$top/envs" "$top/actor" "$top/learner" "$top/broker" "$top/deploy")
if grep -rnE 'ZMQ_HEARTBEAT_(IVL|TIMEOUT|TTL)' --include='*.[ch]' "${rooms[@]}"; then fail "ZMTP heartbeats"; fi
# ZeroMQ stays in its room, and what the simulation drives knows no socket, loop or clock.
if grep -rlE '(^|[^_a-z])zmq_(send|recv|msg_)' --include='*.[ch]' "${rooms[@]}" | grep -vE '/common/wire/|/deploy/observer\.c'; then fail "ZeroMQ outside common/wire and the observer"; fi
for file in broker/core actor/actor_link learner/learner_link learner/orders learner/ledger learner/save_schedule; do
    if grep -nE '<(uv|zmq)\.h>|clock_us\(\)|getenv|time\(NULL\)' "$top/$file.c" "$top/$file.h"; then fail "$file knows more than its messages"; fi
done
