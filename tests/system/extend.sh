# limit: 600
# A method, an attack and an environment of one's own, as their pages say: the files in the pages are put into a copy of this tree, which is
# built and used. Nothing else is edited, and objects of what did not change are taken over.
. "$(dirname "$0")/common.bash"
build=$(cd "$(dirname "$testudo")/.." && pwd) profile=$(basename "$build")
mkdir tree
tar -C "$top" --exclude=./build --exclude=./bin --exclude=./.git --exclude=./tests -cf - . | tar -C tree -xf - || fail "copying the sources"
mkdir -p "tree/build/$profile"
tar -C "$build" --exclude=./tests --exclude=./bin -cf - . | tar -C "tree/build/$profile" -xf - || fail "copying the objects"
before=$(cd tree && find . -type f -newer "$folder/rt" ! -path './build/*' | wc -l)
[ "$before" = 0 ] || fail "the copy has new dates: everything would be built again"

# `PATH`: and then a block: that file.
pages="learner/algorithms/README.md actor/attacks/README.md envs/ADDING.md"
for page in $pages; do
    (cd tree && awk '/^`[^`]*`:$/ { path = substr($0, 2, length($0) - 3); next }
        /^```/ && path != "" { if (inside) { close(path); inside = 0; path = "" } else inside = 1; next }
        inside { print >path }' "$page") || fail "reading $page"
done
files="learner/algorithms/a2c.c deploy/recipes/a2c.yaml actor/attacks/blind.c envs/echo.c deploy/recipes/echo.yaml"
for file in $files; do
    [ -s "tree/$file" ] || fail "no page brings $file"
    [ ! -e "$top/$file" ] || fail "$file is in the tree already"
done
make -C tree PROFILE="$profile" program >make.out 2>&1 || { cat make.out; fail "building with the new files"; }
grep -q 'warning' make.out && { cat make.out; fail "the new files are built with warnings"; }
for file in learner/algorithms/a2c.c actor/attacks/blind.c envs/echo.c; do says make.out "CC      $file"; done
[ "$(grep -c ' CC ' make.out)" = 3 ] || { cat make.out; fail "more was compiled than the new files"; }

testudo=$PWD/tree/build/$profile/bin/testudo
expect 0 "$testudo" keys
says out.txt "a2c.passes"
expect 0 "$testudo" envs describe echo
says out.txt "everybody names the symbol that is shown"
expect 0 "$testudo" render echo:wide --script perfect --steps 3
expect 2 "$testudo" train echo method=a2c a2c.pases=2
says err.txt "did you mean a2c.passes?"

# The method learns the task, from the 5 of chance to nearly all of 20, and being blind half of the time costs it.
expect 0 "$testudo" train echo method=a2c run.steps=96k rollout.lanes=16 rollout.steps=40 learner.hidden=32 learner.depth=1 learner.lr=1e-2 \
    eval.threats=clean,blind:0.5,blind:1@all eval.episodes=40 --runs runs --quiet --actors 2
run=$(run_folder .)
result() { awk -v t="$1" '$2 == t { print $5 }' out.txt; }
awk -v clean="$(result clean)" -v one="$(result blind:0.5)" -v all="$(result blind:1@all)" \
    'BEGIN { exit !(clean > 18 && one < clean - 1 && all < 10 && all > 1) }' ||
    { cat out.txt; fail "clean $(result clean), one blind half of the time $(result blind:0.5), all blind $(result blind:1@all)"; }
expect 0 "$testudo" eval "$run" eval.threats=clean,repeat:0.3@all eval.episodes=20 --quiet

awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "a2c/advantage") at = i } NR > 1 && at && $at > 0 { n++ } END { exit n < 5 }' \
    "$run/progress.csv" || fail "the method's own number is not in progress.csv"

# And taking the files away again gives the program as it was.
for file in $files; do rm "tree/$file"; done
make -C tree PROFILE="$profile" program >make.out 2>&1 || { cat make.out; fail "building without the new files"; }
expect 2 "$testudo" envs describe echo
