# Scripted teams of the matrix game through the whole pipeline: what they earn is known, so what the pipeline measures can be
# checked. Clean: 100, 50, 99.5, 100. Under the analytic adversary, lowest victim: 0, 50, 33.3, 49.5 within 1. Under an adversary
# that the pipeline trains: within 3. 2,000 episodes each; the program without sanitizers, since this is about numbers.
export TESTUDO=${TESTUDO:-$(cd "$(dirname "$0")/../.." && pwd)/bin/testudo}
. "$(dirname "$0")/common.bash"

# lowest RUN SECTION THREAT: the lowest mean return over victims in a section (train, attack) of the run's record.
lowest() {
    "$testudo" report "$1" --record | awk -v section="\"$2\":" -v threat="\"$3\"," '
        /^  "/ { is_in = $1 == section }
        is_in && $1 == "\"threat\":" { is_it = $2 == threat }
        is_in && is_it && $1 == "\"mean\":" { mean = $2 + 0; if (!n++ || mean < low) low = mean }
        END { if (n) print low }'
}
# near NAME GOT WANT TOLERANCE
near() {
    awk -v got="$2" -v want="$3" -v tolerance="$4" 'BEGIN { d = got - want; exit !(got != "" && d <= tolerance && -d <= tolerance) }' ||
        { cat out.txt; fail "$1: $2, expected $3 within $4"; }
}

# anchor SCRIPT CLEAN ATTACKED
anchor() {
    local script=$1 clean=$2 attacked=$3 run
    "$testudo" train matrix method=mappo-fast rollout.defender="$script" run.steps=2000 eval.threats=clean,greedy eval.episodes=2000 \
        run.name="$script" --runs runs --quiet >out.txt 2>err.txt || { cat out.txt err.txt; fail "playing $script"; }
    run=$(readlink -f runs/latest)
    near "$script clean" "$(lowest "$run" train clean)" "$clean" 1
    near "$script under the analytic adversary" "$(lowest "$run" train greedy)" "$attacked" 1
    "$testudo" attack "$run" run.steps=500k attack.max_steps=500k eval.threats=learned eval.episodes=1000 --quiet >out.txt 2>err.txt ||
        { cat out.txt err.txt; fail "attacking $script"; }
    near "$script under a trained adversary" "$(lowest "$run" attack learned)" "$attacked" 3
    echo "$script: clean $(lowest "$run" train clean) analytic $(lowest "$run" train greedy) trained $(lowest "$run" attack learned)"
}
anchor convention 100 0
anchor uniform 50 50
anchor state-only 99.5 33.3
anchor until-broken 100 49.5
