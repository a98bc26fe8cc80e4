# shellcheck shell=bash
# Starts servers, waits until they are ready, stops them in order. Needs say.sh, and $logs: the folder of their logs.

# Names in the order in which they were started, and each one's process.
server_names=()
declare -A server_pids=()

# Whether something listens on a loopback port.
is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# usage: require_port PORT WHAT VARIABLE
require_port() {
    local owner=''
    is_taken "$1" || return 0
    if command -v ss >/dev/null; then
        owner=$(ss -Hltnp "sport = :$1" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/ by \1, process \2/p' | head -n 1)
    fi
    fail 69 "port $1, meant for $2, is taken${owner}." \
        "Stop what listens there, or choose another port: $3=… scripts/run"
}

# Starts a server in the background, in a session of its own: Ctrl-C reaches this script only, which stops them in order.
# If this script is killed, they end as well. Descriptor 9 is the lock of scripts/run.
# usage: start NAME COMMAND…
start() {
    local name=$1
    shift
    setsid setpriv --pdeathsig=TERM "$@" </dev/null >>"$logs/$name.log" 2>&1 9>&- &
    server_names+=("$name")
    server_pids[$name]=$!
}

# How often INT, TERM or HUP came, counted by the script's trap: the first time servers may finish, the second time they
# are ended at once.
interrupts=0

# Waits until a command succeeds; ends everything if the server dies or takes more than a minute.
# usage: await NAME COMMAND…
await() {
    local name=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        ((interrupts == 0)) || exit 130
        if ! kill -0 "${server_pids[$name]}" 2>/dev/null; then
            tell_log "$name" "$name ended at its start"
        elif ((SECONDS >= deadline)); then
            tell_log "$name" "$name was not ready within a minute"
        fi
        sleep 0.1 || true
    done
}

# Ends with the last lines of a server's log.
tell_log() {
    printf '\n%s:\n' "$logs/$1.log" >&2
    tail -n 20 "$logs/$1.log" >&2
    fail 70 "$2. Its log: $logs/$1.log"
}

# The signal with which a server finishes what it does.
gentle_signal() {
    case $1 in
        haproxy) echo USR1 ;;
        postgres) echo INT ;; # "fast": TERM would wait for every client to leave
        *) echo TERM ;;
    esac
}

# Lets servers finish, one group after the other.
# usage: stop NAME…
stop() {
    local name
    for name in "$@"; do
        if is_running "$name"; then
            kill -s "$(gentle_signal "$name")" "${server_pids[$name]}" 2>/dev/null || true
        fi
    done
    for name in "$@"; do
        while is_running "$name"; do
            ((interrupts < 2)) || kill_all
            sleep 0.1 || true
        done
    done
}

# Ends every server at once. Postgres gets QUIT, which ends it at once and leaves its files whole.
kill_all() {
    local name
    for name in "${server_names[@]}"; do
        if [[ $name == postgres ]]; then
            kill -s QUIT "${server_pids[$name]}" 2>/dev/null || true
        else
            kill -s KILL "${server_pids[$name]}" 2>/dev/null || true
        fi
    done
}

is_running() { [[ -n ${server_pids[$1]:-} ]] && kill -0 "${server_pids[$1]}" 2>/dev/null; }
