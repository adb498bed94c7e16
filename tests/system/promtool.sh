# What Prometheus itself says of /metrics and of the files for it. Needs promtool (Debian: prometheus).
. "$(dirname "$0")/common.bash"
command -v promtool >/dev/null || { echo "skipped: promtool is missing"; exit 77; }
"$testudo" broker --listen "ipc://$folder/rt/b" --monitor 127.0.0.1:0 >broker.log 2>&1 &
port() { sed -n 's|.*monitor serves http://127.0.0.1:\([0-9]*\)/.*|\1|p' broker.log; }
serves() { [ -n "$(port)" ]; }
wait_for 20 serves
exec 3<>"/dev/tcp/127.0.0.1/$(port)"
printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
sed '1,/^\r*$/d' <&3 >metrics.txt
expect 0 sh -c 'promtool check metrics <metrics.txt'
