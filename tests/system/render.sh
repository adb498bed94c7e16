# Looking at environments: what envs and render print and write, for every environment that there is, a trained team and a recorded episode.
. "$(dirname "$0")/common.bash"

# envs: all of them with scenarios, sizes and references; descriptions with rules from the source.
expect 0 "$testudo" envs
for word in matrix foraging "scenarios:" "references: arXiv:" "agents"; do says out.txt "$word"; done
expect 0 "$testudo" envs list --scenarios
grep -Eq '^foraging +8x8-4p-2f-c +4 +22 ' out.txt || { cat out.txt; fail "no sizes of a scenario"; }
expect 0 "$testudo" envs describe foraging:8x8-4p-2f-c players=3 env.horizon=20
for word in "3 agents" "at most 20 steps" "Level-based foraging: players of different levels" "0..2        food 0" "6 choices" "greedy"; do
    says out.txt "$word"
done
expect 2 "$testudo" envs describe foraging learner.lr=1
says err.txt "no key of an environment"
expect 2 "$testudo" envs describe foraging:9y9
expect 2 "$testudo" envs describe foraging env.plyers=3
says err.txt "did you mean env.players?"

# Every environment plays as text into a pipe, without colour, and becomes a file of each kind.
expect 0 "$testudo" envs list
for env in $(cut -d' ' -f1 out.txt); do
    expect 0 "$testudo" render "$env" --steps 3
    says out.txt "return"
    if grep -q "$(printf '\033')" out.txt; then fail "colour in a pipe"; fi
    expect 0 "$testudo" render "$env" --script random --steps 3 --png a.png --svg a.svg --gif a.gif --html a.html --side 64
    for file in a.png a.svg a.gif a.html; do [ -s $file ] || fail "no $file of $env"; done
    rm a.png a.svg a.gif a.html
done
expect 0 "$testudo" render matrix:bare env.horizon=7 --script convention
[ "$(grep -c '^step ' out.txt)" = 8 ] || { cat out.txt; fail "not seven steps and a start"; }
says out.txt "matrix bare, script convention: return 7 in 7 steps"

# The same seed is the same episode, another is another.
expect 0 "$testudo" render foraging --seed 5
cp out.txt first.txt
expect 0 "$testudo" render foraging --seed 5
cmp -s out.txt first.txt || fail "one seed, two episodes"
expect 0 "$testudo" render foraging --seed 6
if cmp -s out.txt first.txt; then fail "two seeds, one episode"; fi

# Recorded episodes.
trace=$top/tests/golden/traces/toy_full.jsonl.gz
expect 0 "$testudo" render "$trace" --episode 1
says out.txt "recorded in toy_full.jsonl.gz, episode 1"
expect 2 "$testudo" render "$trace" --episode 4000
says err.txt "has no episode 4000"
expect 2 "$testudo" render "$trace" --script greedy
expect 1 "$testudo" envs check none.jsonl.gz

# A trained team, clean and attacked, and the adversaries that were trained against it.
tiny team --actors 2 run.steps=6k >/dev/null 2>&1 || fail "no team"
run=$(readlink -f runs/team/latest)
expect 0 "$testudo" render "$run" --episode 2 --html team.html
says out.txt "matrix iterated, mappo default seed"
expect 0 "$testudo" render "$run" --episode 2 --threat random --victim 1
says out.txt "random on agent 1"
expect 0 "$testudo" attack "$run" run.steps=4k attack.max_steps=4k rollout.lanes=8 learner.hidden=16 eval.threats=clean eval.episodes=4 --quiet
expect 0 "$testudo" render "$run/attack" --threat learned --victim 0 --gif attack.gif
says out.txt "learned on agent 0"
expect 2 "$testudo" render "$run" --threat learned
says err.txt "go together"
expect 2 "$testudo" render "$run" --threat learnd --victim 0
expect 2 "$testudo" render "$run" --victim 2 --threat random
says err.txt "agents 0 to 1"
expect 2 "$testudo" render "$run" --script greedy
expect 2 "$testudo" render "$run" env.scenario=bare
expect 2 "$testudo" render matrix --threat random --victim 0

# What is misspelled.
expect 2 "$testudo" render
expect 2 "$testudo" render matrx
says err.txt "did you mean matrix?"
expect 2 "$testudo" render foraging --script gredy
says err.txt "did you mean greedy?"
expect 1 "$testudo" render matrix --png none/at/all.png

# bench: named environments, as a table and as JSON.
expect 0 "$testudo" bench envs matrix:bare --tenths 1
says out.txt "matrix:bare"
if grep -q foraging out.txt; then fail "not asked for"; fi
expect 0 "$testudo" bench envs matrix --tenths 1 --json
for word in '"reference": 22700' '"batch_over_single"' '"wall"' '"origin"'; do says out.txt "$word"; done
expect 2 "$testudo" bench envs matrx
says err.txt "did you mean matrix?"

# The gallery is written whole, the same each time; by the program as users have it, since it paints thousands of frames.
mkdir page
testudo=$top/bin/testudo
[ -x "$testudo" ] || fail "no program at $testudo (make)"
expect 0 "$testudo" envs gallery page
says page/README.md "![foraging"
cp -r page again
expect 0 "$testudo" envs gallery again
diff -r page again || fail "the gallery differs from itself"
for picture in page/gallery/*.gif; do
    [ "$(wc -c <"$picture")" -le 40960 ] || fail "$picture is too large"
done
