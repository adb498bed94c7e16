# The verbs on a small run: several seeds, the report over them, a running cluster's stats, evaluation and attack of a finished team.
. "$(dirname "$0")/common.bash"
short="--actors 2 run.steps=6k"

# seeds=: one run folder each, one row over both.
# shellcheck disable=SC2086
expect 0 tiny both $short seeds=1-2
for seed in 1 2; do [ -e runs/both/matrix/iterated/mappo/default/seed-$seed/results/train.json ] || fail "seed $seed was not run"; done
expect 0 "$testudo" report runs/both
grep -Eq '^ *mappo +clean +2 ' out.txt || { cat out.txt; fail "the report does not join two seeds"; }
grep -Eq '\[|\.\.' out.txt || { cat out.txt; fail "no interval over two seeds"; }
expect 0 "$testudo" report runs/both --json
says out.txt '"seed_1"'
says out.txt '"seed_2"'

# The books of a running cluster: one line, or one object, each time it is asked.
tiny_exec live --actors 2 run.steps=40M method=eir-mappo eir.interval=2 belief.hidden=16 belief.depth=1 >live.out 2>live.err &
trainer=$!
endpoint() { sed -n 's/.*\(ipc:[^ ,"]*\).*/\1/p' "$(run_folder live)/log.txt" 2>/dev/null | head -n 1; }
trains() { [ "$(cat "$(run_folder live)/progress.csv" 2>/dev/null | wc -l)" -gt 3 ] && [ -n "$(endpoint)" ]; }
wait_for 120 trains
tells() { "$testudo" stats --connect "$(endpoint)" --count 1 --long >stats.txt 2>stats.err && grep -q '{0} .*none\|none .*{0}' stats.txt; }
wait_for 60 tells
[ "$(wc -l <stats.txt)" = 1 ] || fail "one question, more than one line"
for word in "train update" "steps/s" "received" "distinct" "duplicate" "announced" "trained" "in_flight" "unexplained" "{0}" "{1}"; do
    says stats.txt "$word"
done
expect 0 "$testudo" stats --connect "$(endpoint)" --count 2 --interval 1 --json
[ "$(wc -l <out.txt)" = 2 ] || fail "two questions, not two lines"
for word in '"deliveries"' '"book"' '"partitions"' '"share"' '"return"' '"episodes"' '"unexplained"'; do says out.txt "$word"; done
kill -INT $trainer
if wait $trainer; then fail "stopped, yet exit code 0"; fi

# A finished team: evaluation under named threats, then adversaries of its own for each victim until the ceiling.
run=$(readlink -f runs/both/latest)
before=$(final_hash both)
expect 0 "$testudo" eval "$run" eval.threats=clean,random,greedy,noise:0.3@all,repeat:0.3@all,repeat:0.3 eval.episodes=20 --quiet
for threat in clean random greedy noise:0.3@all repeat:0.3@all repeat:0.3; do grep -Eq "^ *mappo +$threat " out.txt || { cat out.txt; fail "no row for $threat"; }; done
expect 0 "$testudo" attack "$run" run.steps=4k attack.max_steps=8k rollout.lanes=8 learner.hidden=16 eval.episodes=20 --quiet
for threat in clean random greedy learned pgd:0.5 noise:0.3@all repeat:0.3@all; do grep -Eq "^ *mappo +$threat " out.txt || { cat out.txt; fail "no row for $threat"; }; done
expect 0 "$testudo" attack "$run" run.steps=4k attack.max_steps=8k rollout.lanes=8 learner.hidden=16 eval.episodes=20 --quiet --json
says out.txt '"return_learned"'
[ "$before" = "$(final_hash both)" ] || fail "looking at a team changed it"
