# shellcheck shell=bash
# Makes the keys of an installation once and keeps them in .run/env. Needs $state.

secret_names=(APP_KEY BACKEND_KEY ADMIN_TOKEN IDENTITY_SECRET REDIS_PASSWORD POSTGRES_PASSWORD)

random_key() { od -An -N 24 -t x1 /dev/urandom | tr -d ' \n'; }

# Reads .run/env, makes what is missing in it, writes it again with the address of the gateway.
# usage: load_keys ADDRESS
load_keys() {
    local name file=$state/env
    for name in "${secret_names[@]}"; do unset "$name"; done
    if [[ -f $file ]]; then
        # shellcheck source=/dev/null
        source "$file"
    fi
    (
        umask 077
        {
            echo '# Made by scripts/run. Load it with:  . .run/env'
            for name in "${secret_names[@]}"; do
                printf 'export %s=%s\n' "$name" "${!name:-$(random_key)}"
            done
            printf 'export GATEWAY_URL=%s\n' "$1"
        } >"$file.new"
    )
    mv "$file.new" "$file"
    # shellcheck source=/dev/null
    source "$file"
}
