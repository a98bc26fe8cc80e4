# shellcheck shell=bash
# How the scripts talk: progress on standard output, trouble on standard error.

if [[ -t 1 ]]; then
    bold=$'\e[1m' plain=$'\e[0m'
else
    bold='' plain=''
fi

# A step that begins.
step() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }

# A line below a step.
note() { printf '    %s\n' "$*"; }

# What went wrong and what to do; exit statuses are those of sysexits.h.
fail() {
    local status=$1
    printf 'error: %s\n' "$2" >&2
    shift 2
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit "$status"
}
