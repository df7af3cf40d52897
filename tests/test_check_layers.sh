#!/usr/bin/env bash
# check_layers must accept a good tree and name each kind of bad include.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fresh() {
    rm -rf "${root:?}"/*
    mkdir -p "$root"/src/{base,model,backend/cpu,comm,data,report,train} "$root/include/cnn_dist" "$root/tests"
    touch "$root"/src/base/log.h "$root"/src/model/model.h "$root"/src/train/{events,trainer}.h "$root/include/cnn_dist/status.h"
    printf '#include "base/log.h"\n#include <cnn_dist/status.h>\n#include <stdio.h>\n#include <sys/stat.h>\n' >"$root/src/model/graph.c"
}

accepts() { # WHAT
    "$here/check_layers" "$root" >/dev/null || { echo "wrongly refused: $1"; exit 1; }
}

refuses() { # FILE LINE_OF_CODE PATTERN
    local output
    fresh
    printf '%s\n' "$2" >"$root/$1"
    if output=$("$here/check_layers" "$root" 2>&1); then
        echo "not caught: $2 in $1"
        exit 1
    fi
    grep -q -- "$3" <<<"$output" || { printf 'wrong words for %s in %s:\n%s\n' "$2" "$1" "$output"; exit 1; }
}

fresh
accepts "a good tree"
printf '#include <dnnl.h>\n' >"$root/src/backend/cpu/conv.c"
printf '#include "train/events.h"\n' >"$root/src/report/progress.c"
accepts "headers in their places"

refuses src/base/queue.c '#include "model/model.h"' 'base/ may not use "model/model.h"'
refuses src/data/shard.c '#include "train/trainer.h"' 'data/ may not use'
refuses src/report/progress.c '#include "train/trainer.h"' 'report/ may not use'
refuses src/model/graph.c '#include "shape.h"' 'write it as'
refuses src/model/graph.c '#include "model/gone.h"' 'does not exist'
refuses src/model/graph.c '  #  include <dnnl.h>' '<dnnl.h> belongs in backend/cpu'
refuses src/comm/reducer.c '#include <cuda_runtime.h>' 'belongs in backend/cuda/\* comm/nccl\*.c only'
refuses src/train/worker.c '#include <mpi.h>' '<mpi.h> belongs in comm'
refuses src/data/loader.c '#include <hdf5.h>' '<hdf5.h> belongs in data/shard_hdf5.c'
refuses src/model/graph.c '#include <curl/curl.h>' 'is not known'
refuses include/cnn_dist/train.h '#include "train/trainer.h"' 'include/cnn_dist may include only'
refuses tests/test_x.c '#include "../src/model/graph.c"' 'a test includes a source file'
echo "check_layers catches what it should"
