#!/usr/bin/env bash
# Wrong input of every kind: one clear line on stderr, exit status 2, nothing made, every rank ends.
. "$(dirname "$0")/../mpi/e2e.sh"
make_data

# refused STATUS WORDS ARGS...: the program says WORDS (a pattern) in one line of error and ends with STATUS
refused() {
    local status=$1 words=$2 is=0
    shift 2
    "$cnn" "$@" >out 2>err || is=$?
    [ "$is" = "$status" ] || fail "exit status $is instead of $status: $* ($(cat err))"
    [ "$(grep -c "cnn_dist: error:" err)" = 1 ] || fail "not one line of error: $* ($(cat err))"
    grep -q "cnn_dist: error:.*$words" err || fail "'$words' is not in: $(cat err)"
    [ ! -e runs ] || fail "something was made: $*"
}
t=tiny.yaml

refused 2 "missing command"
refused 2 "did you mean 'train'" trian $t
refused 2 "did you mean" train $t --resum none
refused 2 "usage" train
refused 2 "absent.yaml" train absent.yaml
refused 2 "did you mean" train $t --set train.epoch=3
refused 2 "train.epochs" train $t --set train.epochs=-1
refused 2 "train.epochs" train $t --set train.epochs=many
refused 2 "resnet2" train $t --set model.arch=resnet2
refused 2 "data.train" train $t --set data.train=
refused 2 "data.train: .*nowhere" train $t --set data.train=nowhere
refused 2 "data.val: .*nowhere" train $t --set data.val=nowhere
mkdir datasets
touch datasets/fashion_mnist.sh
refused 2 "run datasets/fashion_mnist.sh" train $t --set data.train=datasets/fashion-mnist/train
refused 2 "label" train $t --set model.classes=7
refused 2 "train.batch.micro" train $t --set train.batch.micro=7
refused 2 "train.batch.global" train $t --set train.batch.global=512
refused 2 "warmup" train $t --set train.schedule.warmup="100 epochs"
refused 2 "absent" train $t --resume absent.safetensors
refused 2 "vgg16" train $t --set model.arch=vgg16
refused 2 "did you mean" train $t --set "augment.train=[random_cop: {size: 16}]"
refused 2 "absent" eval absent
refused 2 "absent" predict absent x.jpg
refused 2 "onnx" model export runs --to onnx --out x
refused 2 "vgg" model summary vgg77
refused 2 "auto, cpu and cuda" model summary vgg11 --backend tpu
refused 2 "absent.yaml" config check absent.yaml
refused 2 "absent" bench step absent
refused 2 "absent" bench allreduce absent

refused 2 "layer3.0.bn1: batch norm would see a single value" train $t --set model.arch=resnet18 --set train.batch.micro=1
refused 2 "layer3.0.bn1" train $t --set model.arch=resnet18 --set train.batch.micro=1 --set train.sync_batch_norm=true
refused 2 "train.phases.1.: layer2.0.bn1" train $t --set model.arch=resnet18 --set train.batch.micro=8 \
    --set "train.phases=[{until: 1 epochs, size: 16}, {until: 2 epochs, size: 8, micro: 1}]"
refused 2 "nccl" train $t --set comm.backend=nccl

say "more ranks than micro-batches, on every rank"
expect 2 train 4 many --set train.batch.global=16 --set train.batch.micro=8
[ "$(grep -c "cnn_dist: error:" many/err)" = 1 ] || fail "the error was not printed once"
grep -q "more ranks than micro-batches" many/err || fail "$(cat many/err)"

expect 2 train 2 alone --set comm.backend=self
grep -q "cnn_dist: error: comm.backend" alone/err || fail "$(cat alone/err)"

say "a run folder that cannot be made"
touch file
refused 2 "file is a file" train $t --set run.dir=file
refused 2 "file" train $t --set run.dir=file/below

say "what is not a picture"
expect 0 train 1 good --set train.epochs=1
: >empty.jpg
refused 2 "empty.jpg" predict good/runs/tiny empty.jpg
refused 2 "absent.jpg" predict good/runs/tiny absent.jpg

say "a loss that is not finite ends all ranks and names the step; the checkpoint from before it stays"
expect 1 train 2 wild --set train.schedule.rate=1e3 --set train.schedule.warmup=0 --set train.epochs=30 \
    --set train.optimizer.weight_decay=0.9 --set checkpoint.every="1 steps"
grep -q "cnn_dist: error: .*step [0-9]*.*not finite" wild/err || fail "$(tail -n 3 wild/err)"
[ "$(grep -c "cnn_dist: error:" wild/err)" = 1 ] || fail "the error was not printed once"

say "trouble with files after the first write is a failure (1), before it wrong input (2)"
for file in metrics.jsonl config.yaml; do
    mkdir -p "blocked/runs/tiny/$file"
    expect 1 train 1 blocked
    grep -q "cnn_dist: error: .*runs/tiny/$file" blocked/err || fail "$(tail -n 3 blocked/err)"
    rm -r blocked
done
mkdir -p blocked/runs/tiny/log.txt
expect 2 train 1 blocked
[ "$(find blocked/runs/tiny -type f)" = "" ] || fail "something was made: $(find blocked)"
