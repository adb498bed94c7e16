# limit: 1500
# The cluster of docker-compose.yml on a real engine, from a clean clone: base and image are built, a run is started with two actors, scaled
# to six and to one while containers are killed and frozen, and left alone until it ends. It must end by itself, with closed books and
# with the learning state of an undisturbed run of the same image. All that this makes carries one name and is removed again.
TESTUDO=$(dirname "$0")/../../bin/testudo # for chaos; the cluster's own is in the image
. "$(dirname "$0")/../system/common.bash"

skip() {
    echo "skipped: $*"
    exit 77
}
command -v docker >/dev/null || skip "docker is missing"
docker info >/dev/null 2>&1 || skip "no Docker engine answers"
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    skip "docker-compose is missing (neither v2 nor docker-compose)"
fi
command -v debootstrap >/dev/null || skip "debootstrap is missing"
[ "$(id -u)" = 0 ] || skip "root is missing (for debootstrap, and to kill processes of containers)"

name=testudo-test-$$
compose+=(-p "$name" -f clone/docker-compose.yml --env-file compose.env)
clean_up() {
    "${compose[@]}" --profile evaluate down --volumes --remove-orphans --timeout 2
    # Both bases, what was built on them, and stages in between inherit the label.
    for _ in 1 2 3; do # one with children goes after them
        docker images -q --filter "label=testudo.base=$name" | sort -u | xargs -r docker rmi -f
    done
} >cleanup.txt 2>&1
at_exit() {
    if [ "$1" != 0 ]; then "${compose[@]}" logs --no-color --tail 25 2>&1; fi
    clean_up
}

# -- build --------------------------------------------------------------------------------------------------------------------
git clone -q "$top" clone || fail "no clone"
BASE_ENV=$folder/compose.env clone/deploy/base-image "$name" >base.txt 2>&1 || { cat base.txt; fail "no base image"; }
steps=5M # several minutes: scaling and killing take a while on a busy machine
run="matrix method=eir-mappo-fast run.steps=$steps run.lease_ms=4000 run.checkpoint_every=20 eval.episodes=100"
{
    echo "TESTUDO_IMAGE=$name:test"
    echo "TESTUDO_RUN=$run"
    echo "TESTUDO_PORT=0" # whichever is free
} >>compose.env
"${compose[@]}" build broker >build.txt 2>&1 || { tail -n 30 build.txt; fail "no image"; }
bytes=$(docker image inspect -f '{{.Size}}' "$name:test")
echo "image: $((bytes / 1000000)) MB"
[ "$bytes" -le 150000000 ] || fail "the image has $bytes bytes, allowed are 150 MB"

# -- what an undisturbed run learns -------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
docker run --rm --read-only --tmpfs /tmp:mode=1777 --network none --entrypoint sh "$name:test" -c \
    "testudo train $run --runs /tmp/runs --quiet >&2 && testudo inspect --hash \$(find /tmp/runs -name checkpoints)/latest" >calm.hash 2>calm.err ||
    { cat calm.err; fail "training undisturbed"; }

# -- helpers ------------------------------------------------------------------------------------------------------------------
containers() { "${compose[@]}" ps -q "$1" 2>/dev/null; }
state() { docker inspect -f "{{.State.$2}}" "$1"; }
running() { # number of running containers of a service
    local n=0 id
    for id in $(containers "$1"); do [ "$(state "$id" Running)" = true ] && n=$((n + 1)); done
    echo $n
}
ask() { docker exec "$(containers broker)" testudo stats --json --count 1 --timeout 2 2>/dev/null; }
actors_ready() { [ "$(ask | grep -o '"state":"ready"' | wc -l)" = "$1" ]; }
updates() { ask | sed -n 's/.*"update":\([0-9]*\).*/\1/p'; }
passed() { [ "$(updates || echo 0)" -gt "$1" ] 2>/dev/null; }
still_trains() { ask | grep -q '"phase":"train"' || fail "the run was over before $1: too short on this machine"; }
scale() {
    "${compose[@]}" up -d --no-recreate --scale actor="$1" >scale.txt 2>&1 || { cat scale.txt; fail "scaling to $1"; }
    wait_for 60 actors_ready "$1"
    still_trains "scaling to $1"
    echo "actors: $1, at update $(updates)"
}
# kill_one SERVICE: SIGKILL from outside; the engine must start the container again.
kill_one() {
    local id count
    id=$(containers "$1" | head -n 1)
    count=$(docker inspect -f '{{.RestartCount}}' "$id")
    kill -9 "$(state "$id" Pid)" || fail "cannot kill $1"
    is_back() { [ "$(docker inspect -f '{{.RestartCount}}' "$id")" -gt "$count" ] && [ "$(state "$id" Running)" = true ]; }
    wait_for 30 is_back
    echo "killed and back: $1"
}
progress() { # the run moves on by itself
    local before=
    tells() { before=$(updates) && [ "${before:-0}" -gt 0 ]; } # a broker that was just started knows nothing yet
    wait_for 60 tells
    wait_for 60 passed "$before"
}

# -- the run ------------------------------------------------------------------------------------------------------------------
"${compose[@]}" up -d >up.txt 2>&1 || { cat up.txt; fail "does not start"; }
wait_for 60 actors_ready 2
progress
broker=$(containers broker)
all_healthy() {
    local id
    for id in $(containers broker) $(containers learner) $(containers actor); do [ "$(state "$id" Health.Status)" = healthy ] || return; done
}
wait_for 60 all_healthy
[ "$(docker exec "$broker" id -u)" = 10001 ] || fail "not the user that it should be"
docker exec "$broker" testudo stats --json --count 1 | grep -q '"mode":"curve"' || fail "the processes speak plain text"
[ "$(docker exec "$(containers learner)" ls /keys)" = learner.key ] || fail "the learner holds other keys than its own"
[ "$(docker exec "$(containers actor | head -n 1)" ls /keys)" = actor.key ] || fail "an actor holds other keys than its own"
if docker exec "$broker" sh -c 'echo >/usr/local/x' 2>/dev/null; then fail "the file system can be written"; fi
scale 6
kill_one actor
progress
kill_one broker
progress
frozen=$(containers actor | tail -n 1)
docker pause "$frozen" >/dev/null
kill_one learner
progress
docker unpause "$frozen" >/dev/null
wait_for 60 actors_ready 6
scale 1
kill_one actor
still_trains "the last kill"

is_over() { [ "$(state "$(containers learner)" Running)" = false ] && [ "$(running actor)" = 0 ]; }
wait_for 400 is_over
learner=$(containers learner)
[ "$(state "$learner" ExitCode)" = 0 ] || fail "the learner left with $(state "$learner" ExitCode)"
for id in $(containers actor); do [ "$(state "$id" ExitCode)" = 0 ] || fail "an actor left with $(state "$id" ExitCode)"; done
docker logs "$learner" 2>&1 | grep 'run complete' | tail -n 1 >book.txt
cat book.txt
says book.txt "unexplained=0"
hash_of_run='testudo inspect --hash $(find /runs -name checkpoints)/latest'
"${compose[@]}" run --rm --entrypoint sh evaluator -c "$hash_of_run" >disturbed.hash 2>evaluator.err ||
    { cat evaluator.err; fail "no checkpoint in the volume"; }
cmp calm.hash <(tr -d '\r' <disturbed.hash) || fail "scaling and killing changed what was learned"
"${compose[@]}" run --rm evaluator eval.episodes=20 --quiet >evaluation.txt 2>evaluator.err ||
    { cat evaluator.err; fail "the evaluator failed"; }
says evaluation.txt "eir-mappo-fast"

# -- chaos --------------------------------------------------------------------------------------------------------------------
sed -i "s/^TESTUDO_RUN=.*/TESTUDO_RUN=$run run.name=chaos/" compose.env
# On the broker that still knows the finished run: actors may be quicker than the new learner.
"${compose[@]}" up -d --scale actor=3 >up.txt 2>&1 || { cat up.txt; fail "does not start again"; }
wait_for 60 actors_ready 3
"$top/bin/testudo" chaos --compose "$name" --seconds 40 --every 4000 --freeze 8000 --faults kill,freeze,restart --wait 400 >chaos.txt 2>&1 ||
    { cat chaos.txt; fail "chaos"; }
sed -n '/^faults/,$p' chaos.txt
echo "passed in $SECONDS s"
