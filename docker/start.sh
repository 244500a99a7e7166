#!/bin/sh
# Entrypoint of the images: start PROGRAM ARGUMENT…
# First checks for what is most often missing when a container is started: a writable folder, shared memory, a GPU.
# Anything missing is reported in one line on stderr with what to add to the command, and exit code 2. If the first
# argument is torchrun, it replaces PROGRAM.
set -eu

program=$1
shift
if [ "${1-}" = torchrun ]; then
    program=torchrun
    shift
fi
command=${1-}

fail() {
    printf '%s: %s\n' "$program" "$1" >&2
    exit 2
}

# Print the value of an option given as --option VALUE or --option=VALUE, or the default.
value_of() {
    option=$1 value=$2
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
            "$option") value=${2-} ;;
            "$option"=*) value=${1#*=} ;;
        esac
        shift
    done
    printf '%s' "$value"
}

check_written() {
    [ -n "$2" ] || return 0
    case $2 in /*) folder=$2 ;; *) folder=${PWD%/}/$2 ;; esac
    there=$folder
    while [ ! -e "$there" ]; do there=$(dirname -- "$there"); done
    [ -w "$there" ] || fail "$1 $2: user $(id -u):$(id -g) may not write to $there; make a folder of your own before \
the start, and add to the command: -v \"\$PWD/FOLDER:$folder\" --user \"\$(id -u):\$(id -g)\""
}

check_shared_memory() {
    [ -w /dev/shm ] || fail "/dev/shm is missing or may not be written to; add to the command: --shm-size=1g"
    [ "$program" = torchrun ] || return 0
    mebibytes=$(df -Pk /dev/shm | awk 'END { print int($2 / 1024) }')
    [ "$mebibytes" -ge 1024 ] || fail "/dev/shm has $mebibytes MiB, too few for several processes that exchange \
gradients; add to the command: --shm-size=8g"
}

check_gpu() {
    [ "${CUDA_VISIBLE_DEVICES-all}" != "" ] || return 0
    python -c 'import sys, torch
built = torch.version.cuda or torch.version.hip
sys.exit(3 if built and not torch.cuda.is_available() else 0)' || [ $? -ne 3 ] || fail "no GPU can be used; add to the \
command: --gpus all, or to do without one: -e CUDA_VISIBLE_DEVICES="
}

case " $* " in
    "  " | *" --help "* | *" -h "* | *" --version "*) exec "$program" "$@" ;;
esac

case $program-$command in
    prep-build-shards) check_written --out "$(value_of --out shards "$@")" ;;
    prep-annotate) check_written --out "$(value_of --out annotated "$@")" ;;
    trainer-fit | torchrun-*) check_written --runs "$(value_of --runs runs "$@")" ;;
    trainer-sample) check_written --out "$(value_of --out samples "$@")" ;;
    trainer-try-on) check_written --out "$(value_of --out try-on "$@")" ;;
    *-report) check_written --out "$(value_of --out report.html "$@")" ;;
    *) check_written --out "$(value_of --out '' "$@")" ;;
esac
check_shared_memory
case $program-$command in
    trainer-fit | trainer-sample | trainer-try-on | trainer-evaluate | torchrun-*) check_gpu ;;
esac
exec "$program" "$@"
