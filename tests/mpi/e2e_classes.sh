#!/usr/bin/env bash
# Classes are names: datasets that number them differently train, evaluate and resume as one that does not. Data are what
# they are, not where they lie: ranks that read other data under the same path are refused.
. "$(dirname "$0")/e2e.sh"

# Pictures of 16x16 in two colours, one for each class.
declare -A picture=(
    [a]=iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEUAAADcKChJHHPLAAAAD0lEQVR42mP8wMDEQAICAC9AARAwWtm1AAAAAElFTkSuQmCC
    [b]=iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEUAAAAoyDy/dY9WAAAAFElEQVR42mP8wMDEAEWM/EhsHOIARzoCG3JB02EAAAAASUVORK5CYII=
    [c]=iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEUAAAAyPOa4EraDAAAAD0lEQVR42mP8z8DEQAICADIBAR/gNlhXAAAAAElFTkSuQmCC
    [d]=iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQMAAAAlPW0iAAAABlBMVEUAAADm3DwK6uNJAAAAFElEQVR42mP8wMDEAEWM/EhsHOIARzoCG3JB02EAAAAASUVORK5CYII=
)

# dataset NAME COUNT CLASS...: ds/NAME with COUNT pictures of each class; CLASS is the class's name, or NAME=PICTURE
dataset() {
    local name=$1 count=$2 class i
    shift 2
    for class; do
        mkdir -p "pictures/$name/${class%=*}"
        for i in $(seq "$count"); do
            base64 -d <<<"${picture[${class#*=}]}" >"pictures/$name/${class%=*}/$i.png"
        done
    done
    "$cnn" dataset import folder "pictures/$name" --out "ds/$name" >/dev/null 2>&1
}
dataset train 16 a b c
dataset bc 8 b c
dataset bcd 8 b c d
cat >net.yaml <<YAML
run: {name: net}
data: {train: ds/train, val: ds/bc, threads: 1}
model: {arch: resnet8}
train: {epochs: 3, batch: {global: 12, micro: 6}, threads: 1, schedule: {rate: 0.02}}
log: {every: 1}
backend: cpu
YAML
evaluate() { "$cnn" eval runs/net --latest --data "$1" --json | grep -E '"(top1|loss|n)"'; }
says() { grep -qF -- "$2" "$1" || fail "'$2' is not in: $(cat "$1")"; }

say "a validation set without class a, numbered by itself"
expect 0 "$cnn" train net.yaml 2>err >out
says err "data.val: ds/bc: classes were matched by name and renumbered (b from 0 to 1, c from 1 to 2)"
says err "no images of a (1 of the network's 3 classes)"
says runs/net/log.txt "no images of a"
printf 'a\nb\nc\n' >classes
expect 0 "$cnn" dataset import folder pictures/bc --classes classes --out ds/numbered >/dev/null 2>&1
diff <(evaluate ds/bc 2>/dev/null) <(evaluate ds/numbered 2>/dev/null) || fail "the numbering changes the result"
grep -q '"kind":"eval".*"top1":100' runs/net/metrics.jsonl || fail "top1 is not 100 %"

say "a class the network does not know"
expect 2 "$cnn" eval runs/net --data ds/bcd 2>err
says err "--data: ds/bcd: 1 class the network lacks: d (the network has: a, b, c)"
expect 2 "$cnn" train net.yaml --set run.name=unknown --set data.val=ds/bcd 2>err
says err "data.val: ds/bcd: 1 class the network lacks: d"
[ ! -e runs/unknown ] || fail "a refused run left a folder"

say "resumed with the same classes in another order, and with others"
mkdir ordered && cp -r runs/net ordered/
printf 'c\na\nb\n' >classes
expect 0 "$cnn" dataset import folder pictures/train --classes classes --out ds/other_order >/dev/null 2>&1
expect 0 "$cnn" train net.yaml --set run.dir=ordered --set data.train=ds/other_order --set train.epochs=4 2>err >out
says err "data.train: ds/other_order: classes were matched by name and renumbered (c from 0 to 2, a from 1 to 0"
grep -q '"kind":"eval",.*"epoch":4.*"top1":100' ordered/net/metrics.jsonl || fail "$(tail -n 3 ordered/net/metrics.jsonl)"
dataset others 16 a b x=c
expect 2 "$cnn" train net.yaml --set data.train=ds/others --set data.val= --set train.epochs=5 2>err
says err "cannot resume: data.train: ds/others: 1 class the network lacks: x"
dataset fewer 24 a b
expect 2 "$cnn" train net.yaml --set data.train=ds/fewer --set data.val= --set train.epochs=5 2>err
says err "lacks 1 of the checkpoint's classes: c"
expect 2 "$cnn" train net.yaml --set model.classes=4 --set train.epochs=5 2>err
says err "model.classes was 3 in the checkpoint and is 4 now"

say "resumed with other settings"
resume() { "$cnn" train net.yaml --set run.dir="$work/again" "$@"; }
mkdir again && cp -r runs/net again/
expect 0 resume --set run.dir=runs >out 2>err
grep "resuming with" err && fail "settings that are as before are reported"
expect 0 resume --set train.epochs=4 --set train.batch.micro=12 --set log.every=2 \
    --set "augment.train=[flip_horizontal]" --set data.val=ds/numbered >out 2>err
says err "train.epochs was 3 and is 4 now"
says err "train.batch.micro was 6 and is 12 now: batch norm sees other batches than before"
says err "log.every was 1 and is 2 now"
says err "augment.train was [] and is [flip_horizontal"
says err "run.dir was runs and is "
grep -q "learning rate jumps from [0-9.e-]* in step 12, with which the run had ended, to [0-9.e-]* in step 13" err ||
    fail "the rate's jump is not reported: $(cat err)"
[ "$(grep -c "resuming with another setting" err)" = 6 ] || fail "not all and nothing else: $(cat err)"
grep -q "resuming on other data: data.val had fingerprint" err || fail "the other validation set is not reported"
says again/net/log.txt "train.epochs was 3 and is 4 now"
expect 2 resume --set model.arch=resnet20 --set train.epochs=5 >out 2>err
says err "contains a resnet8, but the config has a resnet20"
expect 2 resume --set data.channels=1 --set train.epochs=5 >out 2>err
says err "data.channels was 3 and is 1 now"

say "resumed on other data of the same classes and number"
dataset repainted 16 a=d b c
rm -r again && mkdir again && cp -r runs/net again/
expect 0 resume --set data.train=ds/repainted --set train.epochs=4 >out 2>err
grep -q "resuming on other data: data.train had fingerprint [0-9a-f]* and has [0-9a-f]* now" err || fail "$(cat err)"

# apart RANKS COMMAND...: the program on each rank in the folder hostRANK
apart() {
    RANKS_TIMEOUT=60 "$here/run_ranks.sh" "$1" bash -c 'cd "$1/host$OMPI_COMM_WORLD_RANK" && shift && exec "$@"' \
        apart "$work" "$cnn" "${@:2}"
}
say "another dataset under the same path on another host"
mkdir -p host0 host1
cp -r ds host0/
cp -r ds host1/
dataset copy 16 a b c
rm -r host1/ds/train
cp -r ds/copy host1/ds/train
(cd host1/ds/train && mv copy-*.h5 train-00000-of-00001.h5)
expect 0 apart 2 train ../net.yaml --set run.dir="$work/alike" >out 2>err
rm -r host1/ds/train
dataset painted 16 a=d b c
cp -r ds/painted host1/ds/train
expect 2 apart 2 train ../net.yaml --set run.dir="$work/apart" >out 2>err
says err "data.train: ds/train is not the same dataset on rank 1 (host "
says err "(fingerprint "
[ ! -e apart ] || fail "a refused run left a folder"
rm -r host1/ds/train
dataset small 15 a b c
cp -r ds/small host1/ds/train
expect 2 apart 2 train ../net.yaml --set run.dir="$work/apart" >out 2>err
says err "45 records instead of 48"
rm -r host1/ds/bc
expect 2 apart 2 train ../net.yaml --set run.dir="$work/apart" --set data.train="$work/ds/train" >out 2>err
says err "rank 1: data.val: no dataset at ds/bc"
cp -r ds/numbered host1/ds/bc
expect 2 apart 2 eval "$work/runs/net" --data ds/bc >out 2>err
says err "--data: ds/bc is not the same dataset on rank 1"

say "another config on another host"
cp net.yaml host0/own.yaml
sed 's/rate: [0-9.]*/rate: 0.125/' net.yaml >host1/own.yaml
expect 2 apart 2 train own.yaml --set run.dir="$work/apart" >out 2>err
says err "has another config than rank 0: train.schedule.rate is 0.125 there and "
[ ! -e apart ] || fail "a refused run left a folder"

say "what a checkpoint and dataset info say of the data"
fingerprint=$("$cnn" dataset info ds/train --json | sed -n 's/.*"fingerprint": "\([0-9a-f]*\)".*/\1/p')
[ ${#fingerprint} = 16 ] || fail "no fingerprint: '$fingerprint'"
"$cnn" dataset info ds/train | grep -q "fingerprint $fingerprint" || fail "info does not print the fingerprint"
grep -aq "\"train_fingerprint\":\"$fingerprint\"" runs/net/checkpoints/step-00000012.safetensors ||
    fail "the checkpoint does not have the fingerprint"
