# The verdict on real clusters: each of the four limits is made on purpose, and named. The narrow link is a relay that lets 400 kB a
# second pass.
TESTUDO=$(cd "$(dirname "$0")/../.." && pwd)/bin/testudo # the program as it is used: how long things take is the point
. "$(dirname "$0")/../system/common.bash"
"${CC:-gcc}" -O2 -o relay "$top/tests/long/relay.c" 2>err.txt || { cat err.txt; fail "no relay"; }
local_endpoint=ipc://$folder/rt/b

pids=() runs=0
launch() { # launch LOG COMMAND...
    local log=$1
    shift
    "$@" >"$log" 2>&1 &
    pids+=($!)
}
verdict() { "$testudo" stats --connect "$local_endpoint" --json --count 1 --timeout 2 2>/dev/null | sed -n 's/.*"verdict":{"limit":"\([a-z]*\)".*/\1/p'; }
stays() { # the same verdict three looks in a row
    local i
    for i in 1 2 3; do [ "$(verdict)" = "$1" ] || { sleep 1; return 1; }; sleep 0.7; done
}
# limit NAME ENDPOINT ACTORS RECIPE...: the cluster of this recipe has this limit.
limit() {
    local want=$1 endpoint=$2 actors=$3 i
    shift 3
    launch learner.log "$testudo" learner --connect "$local_endpoint" "$@" run.steps=40M "run.name=limit$((++runs))"
    for i in $(seq "$actors"); do launch "actor$i.log" "$testudo" actor --connect "$endpoint"; done
    wait_for 70 stays "$want"
    "$testudo" top --connect "$local_endpoint" --once | sed -n '2,5p'
    kill -9 "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
    pids=()
}
broker() { launch broker.log "$testudo" broker --listen "$local_endpoint$1"; }

light="learner.epochs=1 learner.critic_epochs=1"
broker ""
# shellcheck disable=SC2086
limit actor "$local_endpoint" 1 mappo env.name=smac env.scenario=corridor $light learner.hidden=8 learner.depth=0 rollout.lanes=4 \
    rollout.steps=50 rollout.chunk=10 run.mode=async
broker ""
limit learner "$local_endpoint" 2 matrix method=mappo learner.epochs=20 learner.critic_epochs=20
broker ""
# Both sides of one core each need about as long, and may not overlap.
# shellcheck disable=SC2086
limit lag "$local_endpoint" 1 foraging method=mappo-fast $light run.mode=sync
port=$((20000 + RANDOM))
for mode in sync async; do
    broker ",tcp://127.0.0.1:$port"
    rm -f port
    launch relay.log ./relay port $port 400000
    there() { [ -s port ]; }
    wait_for 10 there
    # shellcheck disable=SC2086
    limit network "tcp://127.0.0.1:$(cat port)" 2 matrix method=mappo-fast $light run.mode=$mode
done
