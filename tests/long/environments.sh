# Every environment plays 10,000 random episodes under ASan and UBSan, hostile actions among them; one process each.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
test=$top/build/san/tests/envs/test_episodes
[ -x "$test" ] || { echo "no program at $test (make PROFILE=san tests)"; exit 1; }
names=$("$top/build/san/bin/testudo" envs list | cut -d' ' -f1) || exit 1
[ -n "$names" ] || { echo "no environment"; exit 1; }
export EPISODES=${EPISODES:-10000}
# shellcheck disable=SC2016
printf '%s\n' $names | xargs -P "$(nproc)" -I NAME sh -c 'ENVIRONMENT=NAME "$0" || { echo "FAILED: NAME"; exit 1; }' "$test"
