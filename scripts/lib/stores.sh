# shellcheck shell=bash
# Private instances of Redis and Postgres. Needs say.sh, servers.sh, $root, $state: the folder of all that stays.

start_redis() {
    local folder=$state/redis
    mkdir -p "$folder"
    # Limits, queues and quotas must never be evicted. The password stands in a file, as arguments can be seen by all.
    (
        umask 077
        cat >"$folder/redis.conf" <<CONF
bind 127.0.0.1
port $redis_port
requirepass $REDIS_PASSWORD
dir $folder
appendonly yes
maxmemory-policy noeviction
CONF
    )
    start redis redis-server "$folder/redis.conf"
    await redis env REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -p "$redis_port" ping
}

# Postgres refuses root: as root it runs as user postgres, in .run/postgres if that user can reach it, else under /var/lib.
start_postgres() {
    local folder=$state/postgres binaries
    postgres_user=(env)
    if ((EUID == 0)); then
        postgres_user=(setpriv --pdeathsig=INT --reuid=postgres --regid=postgres --init-groups)
        mkdir -p "$folder"
        chown postgres:postgres "$folder"
        if ! "${postgres_user[@]}" test -w "$folder"; then
            rmdir "$folder"
            folder=/var/lib/sluice/$(printf '%s' "$root" | sha256sum | cut -c 1-16)
            mkdir -p "$folder"
            chown postgres:postgres "$folder"
            note "Postgres keeps its data in $folder: user postgres cannot reach this folder"
        fi
    else
        mkdir -p "$folder"
    fi
    chmod 700 "$folder"

    binaries=$(newest_postgres) || fail 69 'no Postgres under /usr/lib/postgresql: apt-get install postgresql'
    [[ -e $folder/data/PG_VERSION ]] || create_cluster "$binaries" "$folder"
    if [[ $(as_postgres cat "$folder/data/PG_VERSION") != "${binaries//[^0-9]/}" ]]; then
        fail 70 "$folder/data was made by another version of Postgres. Move it away, or upgrade it with pg_upgrade."
    fi
    set_password "$binaries" "$folder"

    start postgres "${postgres_user[@]}" "$binaries/postgres" -D "$folder/data" -p "$postgres_port" \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories=
    await postgres "$binaries/pg_isready" --quiet --host=127.0.0.1 --port="$postgres_port"
}

as_postgres() { (cd / && "${postgres_user[@]}" "$@"); }

newest_postgres() {
    local folder
    folder=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    [[ -n $folder ]] && printf '%s\n' "$folder"
}

# In a folder of another name first: a start that was interrupted leaves no half cluster.
create_cluster() {
    local binaries=$1 folder=$2
    step 'Creating the database'
    as_postgres rm -rf "$folder/new"
    (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" | as_postgres tee "$folder/first-password" >/dev/null)
    as_postgres "$binaries/initdb" --pgdata="$folder/new" --username=sluice --auth=scram-sha-256 \
        --pwfile="$folder/first-password" --encoding=UTF8 --locale=C.UTF-8 >>"$logs/postgres.log" 2>&1 ||
        tell_log postgres 'initdb failed'
    as_postgres rm "$folder/first-password"
    as_postgres "$binaries/postgres" --single -D "$folder/new" postgres <<<'CREATE DATABASE sluice' \
        >>"$logs/postgres.log" 2>&1 || tell_log postgres 'the database could not be created'
    as_postgres mv "$folder/new" "$folder/data"
}

# The data may be older than the password: .run/env can be lost while data under /var/lib stays.
set_password() {
    local binaries=$1 folder=$2 mark
    mark=$(printf '%s' "$POSTGRES_PASSWORD" | sha256sum | cut -c 1-64)
    [[ $(as_postgres cat "$folder/password" 2>/dev/null) == "$mark" ]] && return
    as_postgres "$binaries/postgres" --single -D "$folder/data" postgres \
        <<<"ALTER ROLE sluice PASSWORD '$POSTGRES_PASSWORD'" >>"$logs/postgres.log" 2>&1 ||
        tell_log postgres 'the password could not be set'
    printf '%s\n' "$mark" | as_postgres tee "$folder/password" >/dev/null
}
