# One of eight actors lies, each kind of lie in a run of its own on the matrix game, from the start and after 40 honest trajectories
# (beyond the first 32, which are looked at more closely): every kind is found out within 200 lies, only the liar is quarantined, books close, and training ends within what clean runs with other seeds end with; without admission and audit, edited rewards and actions
# ruin it. STEPS and CLEAN (runs for the interval) may be set. Prints a table.
TESTUDO=$(cd "$(dirname "$0")/../.." && pwd)/bin/testudo # the program as it is used
. "$(dirname "$0")/../system/common.bash"
make -s -C "$top" PROFILE=release liar >err.txt 2>&1 || { cat err.txt; fail "no liar"; }
liar=$top/build/release/tests/long/liar
endpoint=ipc://$folder/rt/b
steps=${STEPS:-300k} clean_runs=${CLEAN:-5}

pids=()
launch() { # launch LOG COMMAND...
    local log=$1
    shift
    "$@" >"$log" 2>&1 &
    pids+=($!)
}
# run NAME KIND SEED [key=value...]: seven honest actors and actor 7, which lies; the run's log in NAME.log.
run() {
    local name=$1 kind=$2 seed=$3 i learner
    shift 3
    pids=()
    launch broker.log "$testudo" broker --listen "$endpoint"
    launch "$name.log" "$testudo" learner --connect "$endpoint" matrix method=mappo-fast "run.name=$name" "run.seed=$seed" \
        "run.steps=$steps" rollout.lanes=16 eval.threats=clean eval.episodes=300 "$@"
    learner=${pids[1]}
    launch liar.log "$liar" "$kind" "$endpoint" 7
    for i in 0 1 2 3 4 5 6; do launch "actor$i.log" "$testudo" actor --connect "$endpoint" --id "$i"; done
    gone() { ! kill -0 "$learner" 2>/dev/null; }
    wait_for 300 gone
    wait "$learner" || { tail -n 20 "$name.log"; fail "learner of $name"; }
    kill -9 "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
    grep -q "run complete.*unexplained=0" "$name.log" || { tail "$name.log"; fail "books of $name do not close"; }
}
# The mean clean return of the final evaluation.
result() { sed -n 's/^ *"mean": \([-0-9.e]*\),$/\1/p' "$(find runs -path "*/$1/*" -name train.json)" | head -n 1; }
# What the learner's log says of the quarantine: how, and after how many trajectories.
found() { sed -n 's/.*actor quarantined actor=7 how=\([a-z_]*\) trajectories=\([0-9]*\) .*text="\([^"]*\)".*/\1 after \2: \3/p' "$1.log" | head -n 1; }

returns=()
for seed in $(seq "$clean_runs"); do
    run "clean$seed" none "$((100 + seed))"
    grep -q "actor quarantined" "clean$seed.log" && fail "an honest actor was quarantined: $(found "clean$seed")"
    returns+=("$(result "clean$seed")")
done
# What one more such run would show: mean -+ t sd sqrt(1 + 1/n), 95 %.
interval=$(printf '%s\n' "${returns[@]}" | awk 'BEGIN { split("12.71 4.30 3.18 2.78 2.57 2.45 2.36 2.31 2.26", t, " ") }
    { n++; s += $1; q += $1 * $1 } END { m = s / n; sd = sqrt((q - n * m * m) / (n - 1)); w = t[n - 1] * sd * sqrt(1 + 1 / n); print m - w, m + w }')
echo "clean: ${returns[*]}; the next one within $interval"
within() { awk -v x="$1" -v i="$interval" 'BEGIN { split(i, b, " "); exit !(x >= b[1]) }'; } # better than clean is no harm

# Trajectories from the liar's first lie to its quarantine; its honest answers to audits among them, too.
lies() { echo $(($(found "$1" | sed 's/.* after \([0-9]*\):.*/\1/') - $(sed -n 's/^liar: begins to lie after //p' liar.log))); }
for start in "" @40; do
    for kind in weights actions rewards masks versions nan; do
        name=$kind${start:+-late}
        run "$name" "$kind$start" 1
        [ -n "$(found "$name")" ] || fail "$name: the liar was not found"
        [ "$(grep -c "actor quarantined" "$name.log")" = 1 ] || fail "$name: somebody honest was quarantined"
        [ "$(lies "$name")" -le 200 ] || fail "$name: $(lies "$name") lies, $(found "$name")"
        echo "$name: return $(result "$name"), found by $(found "$name"), $(lies "$name") lies"
        within "$(result "$name")" || fail "$name: the return lies below $interval"
        "$testudo" inspect "$(find runs -path "*/$name/*/quarantine/0.json")" >inspect.txt || fail "$name: inspect"
        says inspect.txt '"actor": 7'
    done
done
for kind in actions rewards; do
    run "$kind-alone" "$kind" 1 admission.share=0 admission.audit_share=0
    echo "$kind without admission: return $(result "$kind-alone")"
    within "$(result "$kind-alone")" && fail "$kind did no harm without admission: the test shows nothing"
done
exit 0
