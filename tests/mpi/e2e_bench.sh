#!/usr/bin/env bash
# bench step and bench allreduce: of a config, of an architecture, of neither; on one rank and on two; what they refuse.
# And model summary, which takes the same targets.
#   e2e_bench.sh PROGRAM
source "$(dirname "$0")/e2e.sh"

make_data

says() { # FILE PATTERN...
    local file=$1 pattern
    shift
    for pattern in "$@"; do
        grep -q "$pattern" "$file" || fail "no '$pattern' in $(cat "$file")"
    done
}

say "steps of an architecture and of a config"
"$cnn" bench step resnet8 --batch 4 --steps 2 --warmup 0 --backend cpu --json >step.json
says step.json '"images_per_s":' '"batch": 4'
ranks 2 bench step tiny.yaml --steps 2 --warmup 0 --threads 1 >step.txt
says step.txt "2 ranks" "cpu: oneDNN"
expect 2 "$cnn" bench step resnet8 --backend gpu 2>err
says err "allowed: auto, cpu and cuda"
expect 2 "$cnn" bench step resnet8000 2>err
says err "resnet8000"

say "sums of gradients"
ranks 2 bench allreduce --bytes 100000 --rounds 3 --backend cpu >sum.txt
says sum.txt "2 ranks on 1 host" "in host memory, summed by shared memory" "97.66 KiB"
ranks 2 bench allreduce resnet8 --rounds 2 --set comm.precision=bf16 --backend cpu --json >sum.json
says sum.json '"precision": "bf16"' '"memory": "host"' '"way": "shared memory"'
"$cnn" bench allreduce tiny.yaml --precision fp16 --rounds 2 >alone.txt
says alone.txt "1 rank" "summed by nothing" fp16
expect 2 "$cnn" bench allreduce tiny.yaml --bytes 4 2>err
says err "either tiny.yaml or --bytes"
expect 2 "$cnn" bench allreduce --precision tf32 2>err
says err "allowed: fp32, bf16 or fp16"
expect 2 "$cnn" bench allreduce --set comm.precison=bf16 2>err
says err "comm.precision"

say "how layers are computed"
"$cnn" model summary resnet8 --backend cpu >summary.txt
says summary.txt "cpu: oneDNN" "training on micro-batches of 32 images" "^conv1  *conv  *jit"
"$cnn" model summary tiny.yaml --backend cpu --json >summary.json
says summary.json '"backend": "cpu: oneDNN' '"layer": "conv1"' '"implementation": "jit'
expect 2 "$cnn" model summary resnet8 --backend gpu 2>err
says err "allowed: auto, cpu and cuda"
