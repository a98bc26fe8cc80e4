# shellcheck shell=bash
# Installs what a machine lacks: Debian packages, the Python clients. Needs say.sh, and $root: the clone's folder.

# Headers and libraries that the build needs.
build_packages=(libcurl4-openssl-dev libhiredis-dev libpq-dev libssl-dev)
# Servers that scripts/run starts, and the time zones that a quota's reset is told in.
server_packages=(curl haproxy postgresql redis-server tzdata)
python_packages=(python3 python3-venv)

# Swift is not in Debian: it must be there already.
require_swift() {
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1) || true
    if [[ -z $version ]]; then
        fail 69 'Swift is not on the PATH. Install Swift 6.3 for Debian 12: https://www.swift.org/install/linux/'
    fi
    if [[ $(printf '%s\n6.3\n' "$version" | sort -V | head -n 1) != 6.3 ]]; then
        fail 69 "Swift $version is too old: Swift 6.3 or later is needed. https://www.swift.org/install/linux/"
    fi
}

# Installs those of the named packages that are missing; touches nothing if none is.
install_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local -a as_root=()
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
            fail 77 "packages are missing and this user may not install them. As root:" \
                "    apt-get update && apt-get install -y ${missing[*]}"
        fi
        as_root=(sudo)
    fi
    command -v apt-get >/dev/null || fail 69 "this is not Debian. Install by hand what these packages hold: ${missing[*]}"

    step "Installing ${missing[*]}"
    keep_servers_from_starting "${as_root[@]}"
    local status=0
    {
        "${as_root[@]}" apt-get -qq update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
                "${missing[@]}" >/dev/null
    } || status=$?
    let_servers_start "${as_root[@]}"
    ((status == 0)) || fail 69 "apt-get failed. As root: apt-get update && apt-get install -y ${missing[*]}"
}

# Debian starts a server when it installs one. A policy that says no (exit 101) keeps it from doing so; one that was
# there before is put back afterwards.
policy=/usr/sbin/policy-rc.d

keep_servers_from_starting() {
    local -a as_root=("$@")
    # One set aside by a run that was killed is the true one.
    if [[ -e $policy && ! -e $policy.before-sluice ]]; then
        "${as_root[@]}" mv "$policy" "$policy.before-sluice"
    fi
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    # An interrupt must not leave the policy behind.
    # shellcheck disable=SC2064
    trap "let_servers_start ${as_root[*]}; exit 130" INT TERM
}

let_servers_start() {
    local -a as_root=("$@")
    trap - INT TERM
    "${as_root[@]}" rm -f "$policy"
    if [[ -e $policy.before-sluice ]]; then
        "${as_root[@]}" mv "$policy.before-sluice" "$policy"
    fi
}

# Makes .venv with pinned Python packages; does nothing while it holds them.
# usage: install_clients REQUIREMENTS…; non-zero: they could not be had
install_clients() {
    local stamp=$root/.venv/installed wanted python=python3
    wanted=$(grep --no-filename -v '^#' "$@")
    if [[ -x $root/.venv/bin/python && -f $stamp ]] && ! grep -qvxFf "$stamp" <<<"$wanted"; then
        return 0
    fi

    step 'Installing the Python clients into .venv'
    "$python" -c 'import ensurepip, venv' 2>/dev/null || python=/usr/bin/python3
    rm -rf "$root/.venv"
    "$python" -m venv "$root/.venv" &&
        "$root/.venv/bin/pip" --quiet --disable-pip-version-check install "${@/#/--requirement=}" &&
        printf '%s\n' "$wanted" >"$stamp"
}
