#!/usr/bin/env bash
# What `dataset import` says and does with lists, layouts of folders, sources of two parts and another dataset's classes;
# what `dataset info` says of a folder of splits.
. "$(dirname "$0")/e2e.sh"

# picture FILE...: a PNG of one pixel
picture() {
    local file
    for file in "$@"; do
        mkdir -p "$(dirname "$file")"
        base64 -d >"$file" <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'
    done
}

# import STATUS ARGS...: imports into `out`, which is removed first; what it says is in `said`
import() {
    local wanted=$1
    shift
    rm -rf out
    expect "$wanted" "$cnn" dataset import "$@" --out out >said 2>&1
    [ "$wanted" != 2 ] || [ ! -e out ] || fail "refused, but something was written: $(ls -A out)"
}

# says TEXT...: each of them
says() {
    local text
    for text in "$@"; do
        grep -qF -- "$text" said || fail "'$(cat said)' does not say '$text'"
    done
}

say "lists and labels"
picture pics/{1,2,3}.png
printf 'id;breed\r\npics/1.png;cat\r\npics/2.png;dog\r\npics/3.png;cat\r\npics/1.png;cat\r\n' >list.csv
import 0 list list.csv
says "list.csv:1: skipped the heading 'id, breed'" "3 records of 2 classes" "1 listed again with the same class"
printf 'pics/1.png,cat\npics/1.png,dog\n' >list.csv
import 2 list list.csv
says "list.csv:2: pics/1.png has class 'dog', but on line 1 class 'cat'"
tar -cf pics.tar pics
printf 'img\tspecies\n1\t10\n2\t2\n3\t10\n' >labels.tsv
import 0 tar pics.tar --labels labels.tsv
says "labels.tsv:1: skipped the heading" "3 records of 2 classes"
"$cnn" dataset info out >said
says "0  2   " "1  10   "

say "layouts"
picture s/{train,val}/{cat,dog}/1.png s/meta/x.png
import 2 folder s
says "(train, val) beside other folders (meta)" \
    "\`cnn_dist dataset import folder s/val --out out/val --classes-of out/train\`"
tar -cf s.tar s
import 2 tar s.tar
says "import tar s.tar --under s/train --out out/train"
mkdir w && mv s w/pics && rm -r w/pics/meta
import 0 folder w
says "w: the splits are the folders in w/pics, the only folder" "4 records of 2 classes in 2 shards"
ln -s nowhere w/pics/train/cat/2.png
import 0 folder w
says "skipped 1 image that cannot be used"
grep -q "^pics/train/cat/2.png.*No such file" out/quarantine.tsv || fail "the broken link is not in quarantine.tsv"

say "the classes of another dataset"
picture t/{a,b,c}/1.png v/{b,c}/1.png x/{b,d}/1.png
expect 0 "$cnn" dataset import folder t --out ds/t >/dev/null
import 0 folder v --classes-of ds/t
says "no usable images of 1 of the 3 classes: a" "2 records of 3 classes"
import 2 folder x --classes-of ds/t
says "--classes-of: 1 class ds/t lacks: d (ds/t has: a, b, c)"
rm -rf out
expect 0 ranks 2 dataset import folder v --out out --classes-of ds/t --shard-records 1 >said 2>&1
[ "$(grep -c "no usable images" said)" = 1 ] || fail "not one warning of two ranks: $(cat said)"

say "sources of two parts"
# idx NAME N: N pictures of one pixel with labels 0, 0, 1
idx() {
    printf '\0\0\10\3\0\0\0\3\0\0\0\1\0\0\0\1abc' >"idx/$1-images-idx3-ubyte"
    printf '\0\0\10\1\0\0\0\3\0\0\1' >"idx/$1-labels-idx1-ubyte"
}
mkdir idx && idx t10k
import 0 idx idx
says "idx contains only the test part" "3 records of 2 classes in 1 shard"
idx train
import 0 idx idx --classes no,yes
says "6 records of 2 classes in 2 shards"
"$cnn" dataset info out >said
says "splits    2 in out" "test                              3 records of 2 classes" "0  no                                2          2"
"$cnn" dataset info out --json >said
says '"path": "out/train"' '"path": "out/test"'
for command in stats verify; do
    expect 2 "$cnn" dataset "$command" out >said 2>&1
    says "out is not a dataset but a folder of 2: give one of out/test, out/train"
done
import 0 idx idx --part train
says "3 records of 2 classes in 1 shard"
import 2 idx idx --split a=0.5,b=0.5
says "add --part train or --part test"

say "an error in the middle is not one of usage"
picture m/a/{1,2,3}.png
mkdir m/b
echo text >m/b/1.png
head -c 20000 /dev/zero >>m/a/3.png # so that a limit on files ends an import before it comes to b
import 2 folder m --strict --shard-records 1
for n in 1 2; do # a half of it is there
    rm -rf half
    (ulimit -f 8 && trap '' XFSZ && exec "$cnn" dataset import folder m --out half --name d --shard-records 1) >said 2>&1 &&
        fail "a file larger than the limit was written"
    [ -e half/.import/plan ] || fail "no half of an import: $(cat said)"
    status=0
    if [ "$n" = 1 ]; then
        "$cnn" dataset import folder m --out half --name d --shard-records 1 --strict >said 2>&1 || status=$?
    else
        ranks 2 dataset import folder m --out half --name d --shard-records 1 --strict >said 2>&1 || status=$?
    fi
    [ "$status" = 1 ] || fail "status $status of a continued import that failed: $(cat said)"
    says "b/1.png: "
    expect 0 "$cnn" dataset import folder m --out half --name d --shard-records 1 >said 2>&1
    says "3 records of 2 classes"
done
