# limit: 7200
# Two hundred random faults over twenty minutes on one run: kills, freezes of up to 30 s, restarts and full disks. The books close, nothing
# is trained on twice, and since the run is in sync mode, it ends where the undisturbed run ends: the same learning state to the last
# bit, and so every return within the undisturbed run's confidence interval. FAULTS, FAULT_SECONDS, FAULT_STEPS and CHAOS_SEED choose another
# length and course.
TESTUDO=${TESTUDO:-$(cd "$(dirname "$0")/../.." && pwd)/bin/testudo} # the program as it is used
. "$(dirname "$0")/../system/common.bash"
faults=${FAULTS:-200} seconds=${FAULT_SECONDS:-1200} seed=${CHAOS_SEED:-1}
cp "$top/deploy/recipes/matrix.yaml" . # what is started again must find what it was started with
recipe=(matrix.yaml method=eir-mappo-fast run.mode=sync "run.steps=${FAULT_STEPS:-12M}" run.lease_ms=3000)

"$testudo" train "${recipe[@]}" --runs runs/calm --quiet --actors 4 >calm.txt 2>&1 || { cat calm.txt; fail "training undisturbed"; }
# A fault that hits somebody who is frozen does not count, so they come more often than every $seconds / $faults.
"$testudo" chaos "${recipe[@]}" --runs runs/chaos --actors 4 --seed "$seed" --seconds "$seconds" --count "$faults" \
    --every $((seconds * 500 / faults)) --freeze 30000 --faults kill,freeze,restart,disk --wait 3600 >chaos.txt 2>&1 ||
    { tail -n 60 chaos.txt; fail "chaos"; }
sed -n '/^faults/,$p' chaos.txt
[ "$(tail -n 1 chaos.txt | cut -d ' ' -f 1)" -ge "$faults" ] || fail "fewer than $faults faults in $seconds s"

# returns NAME: threat, mean, low and high of each row of the final results.
returns() {
    awk -F '[:,]' '/"threat"/ {t = $2} /"victim"/ {v = $2} /"mean"/ {m = $2} /"low"/ {l = $2} /"high"/ {print t, v, m, l, $2}' "$1"
}
for folder in runs/chaos/run-*; do
    cmp <(final_hash calm) <(final_hash "chaos/${folder##*/}") || fail "$folder learned something else"
    paste -d ' ' <(returns "$(run_folder calm)/results/train.json") \
        <(returns "$(run_folder "chaos/${folder##*/}")/results/train.json") >both.txt
    [ -s both.txt ] || fail "$folder has no results"
    awk '{if ($1 != $6 || $8 < $4 || $8 > $5) {bad = 1} print $1, "undisturbed", $3, "[" $4 ", " $5 "], disturbed", $8} END {exit bad}' both.txt ||
        fail "a return lies outside the undisturbed run's interval"
    disk=$(grep -c 'checkpoint failed' "$(run_folder "chaos/${folder##*/}")/log.txt")
    echo "$disk checkpoints were refused by a full disk"
done
