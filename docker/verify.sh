#!/usr/bin/env bash
# Build both images and run them end to end: docker/verify.sh PREP_BASE TRAINER_BASE [BUILD_OPTION…]
# The options go to both builds, for instance --build-arg TORCH=torch==2.13.0+cpu. Needs root and buildah, no container
# engine; the base images must exist locally. Draws a dataset, builds shards from it and trains the smallest cascade for
# a few steps, each as a user unknown to the images, then triggers each error that the entrypoint checks for.
# A trainer whose torch is for CUDA is tried without a GPU, too: it has to refuse to train, and then trains on the CPU by
# the variable that its refusal names. What only a GPU can show (kernels, driver, memory) remains untried.
# The last lines report for each image: built, size, ran.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 2 ] || [ "$(id -u)" != 0 ]; then
    echo "verify.sh: give two base images, as root: docker/verify.sh PREP_BASE TRAINER_BASE [BUILD_OPTION…]" >&2
    exit 2
fi
prep_base=$1 trainer_base=$2
shift 2

BUILDAH=(buildah --storage-driver vfs)
USER_IDS=4321:8765
LARGEST_PREP=700 # MB
work=$(mktemp -d)
containers=()
run_options=()

cleanup() {
    [ ${#containers[@]} -eq 0 ] || "${BUILDAH[@]}" rm "${containers[@]}" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

say() { echo "== $*"; }

fail() {
    echo "verify.sh: $*" >&2
    exit 1
}

build() { # NAME BASE BUILD_OPTION…
    say "build $1"
    "${BUILDAH[@]}" bud --isolation chroot --pull-never --build-arg "BASE=$2" "${@:3}" \
        --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
        -f "docker/$1.Dockerfile" -t "localhost/tryon-$1" .
    "${BUILDAH[@]}" from --pull-never --name "verify-$1" "localhost/tryon-$1" >/dev/null
    containers+=("verify-$1")
}

megabytes() { # NAME: of all files, the base's among them
    du -s --block-size=1MB "$("${BUILDAH[@]}" mount "verify-$1")" | cut -f 1
}

in_image() { # NAME ARGUMENT…: by the image's entrypoint, as docker run does
    local name=$1 entrypoint
    shift
    read -ra entrypoint <<<"$("${BUILDAH[@]}" inspect --type image \
        --format '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}' "localhost/tryon-$name")"
    # tini is process 1 in a container, but not here; TINI_SUBREAPER makes it adopt orphans anyway.
    "${BUILDAH[@]}" run --isolation chroot --user "$USER_IDS" --env TINI_SUBREAPER=1 --volume "$work/data:/data" \
        --volume "$work/shards:/shards" --volume "$work/runs:/runs" "${run_options[@]}" "verify-$name" -- "${entrypoint[@]}" "$@"
}

refused() { # WORDS NAME ARGUMENT…: exit code 2, and one line of the program that contains the words
    local code=0
    in_image "${@:2}" 2>"$work/said" || code=$?
    grep "^$2: " "$work/said" | sed 's/^/   /' || true
    [ "$code" = 2 ] || fail "exit code $code instead of 2: ${*:2}"
    [ "$(grep "^$2: " "$work/said" | grep -cF -- "$1")" = 1 ] || fail "no message about $1: ${*:2}"
}

says() { # WORDS NAME ARGUMENT…: exit code 0, and the words on stdout
    in_image "${@:2}" >"$work/said" || fail "exit code $?: ${*:2}"
    grep -F -- "$1" "$work/said" | sed 's/^/   /' || fail "nothing about $1: ${*:2}"
}

torch_has() { # EXPRESSION: of the trainer's torch, printed
    "${BUILDAH[@]}" run --isolation chroot verify-trainer -- python -c "import torch; print($1)"
}

build prep "$prep_base" --target prep "$@"
build trainer "$trainer_base" "$@"
mkdir "$work/data" "$work/shards" "$work/runs"
chown "$USER_IDS" "$work/data" "$work/shards" "$work/runs"

say "the images' user, and prep without torch"
for name in prep trainer; do
    user=$("${BUILDAH[@]}" inspect --type image --format '{{.OCIv1.Config.User}}' "localhost/tryon-$name")
    echo "   $name: $user"
    [ "${user%%:*}" -gt 0 ] || fail "$name runs as root"
done
! "${BUILDAH[@]}" run --isolation chroot verify-prep -- python -c 'import torch' 2>/dev/null || fail "prep has torch"
prep_size=$(megabytes prep) trainer_size=$(megabytes trainer)
[ "$prep_size" -lt "$LARGEST_PREP" ] || fail "prep has $prep_size MB"

say "draw, build shards, verify, report"
in_image prep sample-data --out /data --looks 12
in_image prep build-shards --src /data --out /shards
in_image prep verify --shards /shards
in_image prep report --shards /shards --out /runs/report.html

say "the trainer without a GPU" # importing torch loads its libraries
imports='import torch, train.data, train.evaluation, train.inference, train.models, train.reporting, train.training'
"${BUILDAH[@]}" run --isolation chroot verify-trainer -- python -c "$imports" || fail "the trainer lacks a module"
says 'Usage: trainer' trainer --help
cuda=$(torch_has 'torch.version.cuda or torch.version.hip or ""')
has_gpu=$(torch_has 'torch.cuda.is_available()')
trainer_ran='ran:' no_card='no GPU'
if [ -n "$cuda" ] && [ "$has_gpu" = False ]; then
    echo "   torch for CUDA $cuda"
    for words in 'fit --shards /shards' 'sample --shards /shards --out /runs/samples' 'evaluate --shards /shards'; do
        read -ra words <<<"$words"
        refused '--gpus all, or to do without one: -e CUDA_VISIBLE_DEVICES=' trainer "${words[@]}"
    done
    run_options=(--env CUDA_VISIBLE_DEVICES=) no_card='CUDA_VISIBLE_DEVICES hides all GPUs'
    trainer_ran="torch for CUDA $cuda, refused to train without a GPU, ran on the CPU:"
fi
if [ "$has_gpu" = False ]; then
    says "$no_card" trainer doctor --shards /shards --runs /runs/doctor --preset nano --stage base --set data.batch=4
fi

say "train in one and in two processes" # by the loopback's address: no name server knows the container's name here
in_image trainer fit --shards /shards --preset nano --steps 3 --set data.batch=4
in_image trainer torchrun --standalone --local-addr 127.0.0.1 --nproc-per-node 2 -m train fit --shards /shards --runs /runs/two --preset nano \
    --stage base --steps 2 --set data.batch=4

say "files written belong to $USER_IDS"
[ -z "$(find "$work/data" "$work/shards" "$work/runs" ! -uid "${USER_IDS%:*}" -o ! -gid "${USER_IDS#*:}")" ] ||
    fail "files with another owner were written"
ls -ln "$work/shards" "$work/runs" | sed 's/^/   /'

say "user errors"
chown 0:0 "$work/shards" "$work/runs"
refused '--user "$(id -u):$(id -g)"' prep build-shards --src /data --out /shards
refused '--user "$(id -u):$(id -g)"' trainer fit --shards /shards
refused '-v "$PWD/FOLDER:/samples"' trainer sample --shards /shards

say "summary"
echo "prep: built, $prep_size MB, ran: 12 looks to shards, verified, reported"
echo "trainer: built, $trainer_size MB, $trainer_ran 3 stages of 3 steps, 2 processes of 2 steps"
