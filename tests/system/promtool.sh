# What Prometheus itself says: of /metrics, of the alarms (which fire when they should, deploy/monitoring/alerts_test.yml), and of every
# expression of the Grafana dashboard, asked of a Prometheus that watches a broker. Needs Debian's package prometheus.
. "$(dirname "$0")/common.bash"
for program in promtool prometheus; do
    command -v $program >/dev/null || { echo "skipped: $program is missing (Debian: prometheus)"; exit 77; }
done
monitoring=$top/deploy/monitoring
expect 0 promtool check config --syntax-only "$monitoring/prometheus.yml"
(cd "$monitoring" && promtool test rules alerts_test.yml) >out.txt 2>&1 || { cat out.txt; fail "the alarms' own tests"; }

"$testudo" broker --listen "ipc://$folder/rt/b" --monitor 127.0.0.1:0 >broker.log 2>&1 &
port() { sed -n 's|.*monitor serves http://127.0.0.1:\([0-9]*\)/.*|\1|p' broker.log; }
serves() { [ -n "$(port)" ]; }
wait_for 20 serves
page() { # page PORT PATH
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
    sed '1,/^\r*$/d' <&3
    exec 3<&-
}
page "$(port)" /metrics >metrics.txt
expect 0 sh -c 'promtool check metrics <metrics.txt'

# A Prometheus with our files, on a port that is free just now.
cp "$monitoring/alerts.yml" .
sed "s/broker:5556/127.0.0.1:$(port)/; s/scrape_interval: 5s/scrape_interval: 1s/" "$monitoring/prometheus.yml" >prometheus.yml
started() { page "$web" /-/ready 2>/dev/null | grep -q -i ready; }
for _ in 1 2 3 4 5; do
    web=$((20000 + RANDOM))
    prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb --web.listen-address="127.0.0.1:$web" >prometheus.log 2>&1 &
    prometheus=$!
    comes() { started || ! kill -0 $prometheus 2>/dev/null; }
    wait_for 30 comes
    kill -0 $prometheus 2>/dev/null && break
done
ask() { # ask EXPRESSION
    local encoded
    encoded=$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g')
    page "$web" "/api/v1/query?query=$encoded"
}
scraped() { ask 'up{job="testudo"}' | grep -q ',"1"\]'; }
wait_for 30 scraped
ask testudo_build_info | grep -q '"__name__":"testudo_build_info"' || fail "nothing was kept"
sed -n 's/^ *"expr": "\(.*\)",$/\1/p' "$monitoring/grafana/testudo.json" | sed 's/\\"/"/g; s/\$__rate_interval/30s/g' >expressions.txt
[ "$(wc -l <expressions.txt)" -ge 15 ] || fail "the dashboard's expressions were not found"
while read -r expression; do
    ask "$expression" >answer.txt
    grep -q '"status":"success"' answer.txt || { cat answer.txt; fail "refused: $expression"; }
done <expressions.txt
