#!/usr/bin/env bash
# `predict` on files, folders and lists, and that it says what `eval` says:  e2e_predict.sh PROGRAM JSON_CHECK
. "$(dirname "$0")/e2e.sh"
json_check=$(realpath "${2:?usage: $0 PROGRAM JSON_CHECK}")
make_data

# extract SHARD FOLDER: every JPEG record of a shard as FOLDER/000.jpg, 001.jpg, ...
extract() {
    local at i
    mkdir -p "$2"
    mapfile -t at < <(LC_ALL=C grep -obUaP "\xff\xd8\xff" "$1" | cut -d: -f1)
    at+=("$(wc -c <"$1")")
    for ((i = 0; i + 1 < ${#at[@]}; i++)); do
        head -c "${at[i + 1]}" "$1" | tail -c $((at[i + 1] - at[i])) >"$(printf '%s/%03d.jpg' "$2" "$i")"
    done
}

# of_eval FILE, of_predict FILE: "number class probability", a line each, from the CSV of `eval` or `predict`
of_eval() {
    tr -d '\r' <"$1" | awk -F, 'NR == 1 { for (i = 4; i <= NF; i++) name[i] = $i; next }
        { for (i = 4; i <= NF; i++) printf "%03d %s %s\n", $1 - first, name[i], $i }' first=1000 | sort
}
of_predict() {
    tr -d '\r' <"$1" | awk -F, 'NR > 1 { n = split($1, part, "/"); sub(/[.].*/, "", part[n]); print part[n], $4, $5 }' | sort
}

say "what eval says of the records of a dataset, predict says of their files, to the last digit"
extract data/val/*.h5 pictures
[ "$(ls pictures | wc -l)" = 101 ] || fail "the shard was not taken apart"
# training shows less of the pictures than evaluation
expect 0 train 1 small --set 'augment.train=[random_crop: {size: 11}]' --set train.epochs=1
run=$work/small/runs/tiny
"$cnn" eval "$run" --csv eval.csv >/dev/null 2>&1
"$cnn" predict "$run" pictures --top-k 10 --csv >predict.csv 2>/dev/null
[ "$(of_eval eval.csv | wc -l)" = 1010 ] || fail "eval.csv is not complete"
cmp <(of_eval eval.csv) <(of_predict predict.csv) || fail "predict and eval differ"
ranks 3 eval "$run" --csv eval3.csv --batch 7 >/dev/null 2>&1
cmp eval.csv eval3.csv || fail "3 ranks and another batch give another file"
"$cnn" eval "$run" --csv flip.csv --tta flip >/dev/null 2>&1
[ "$(wc -l <flip.csv)" = 102 ] && ! cmp -s eval.csv flip.csv || fail "--csv does not show the views"
expect 2 "$cnn" eval "$run" --csv absent/eval.csv 2>err
grep -q "absent" err || fail "$(cat err)"

say "files, folders, lists"
"$cnn" predict "$run" pictures/*.jpg --top-k 10 --csv >files.csv 2>/dev/null # more than any limit on options
cmp predict.csv files.csv || fail "a folder and its files give different results"
ls -d pictures/*.jpg | sed 's/$/\r/' >list
"$cnn" predict "$run" --list list --top-k 10 --csv >files.csv 2>/dev/null
cmp predict.csv files.csv || fail "a list gives different results"
(cat list && echo && cat list) | "$cnn" predict "$run" --list - --top-k 10 --csv >files.csv 2>/dev/null
[ "$(wc -l <files.csv)" = 2021 ] || fail "standard input gives $(wc -l <files.csv) lines"
mkdir -p tree/b/c tree/a tree/.hidden tree/__MACOSX tree/empty
cp pictures/000.jpg tree/b/c/z.jpg
cp pictures/001.jpg tree/b/noending
cp pictures/002.jpg tree/a/0.JPG
cp pictures/003.jpg tree/.hidden/0.jpg
cp pictures/004.jpg tree/__MACOSX/0.jpg
cp pictures/005.jpg tree/._0.jpg
echo "not a picture" >tree/a/notes.txt
"$cnn" predict "$run" tree/ --top-k 1 2>err >said || fail "$(cat err)"
[ "$(grep -c . said)" = 6 ] || fail "$(cat said)"
[ "$(grep tree said | tr '\n' ' ')" = "tree/a/0.JPG tree/b/c/z.jpg tree/b/noending " ] || fail "$(cat said)"
expect 2 "$cnn" predict "$run" tree/empty 2>err
grep -q "error: tree/empty: no images" err || fail "$(cat err)"
expect 2 "$cnn" predict "$run" 2>err
grep -q "error: missing argument" err || fail "$(cat err)"
expect 2 "$cnn" predict "$run" pictures --json --csv 2>err
: >empty.list
expect 2 "$cnn" predict "$run" --list empty.list 2>err
grep -q "empty.list: the list is empty" err || fail "$(cat err)"

say "links in a circle and files that systems leave do not count"
rm -r tree
mkdir -p tree/inner/@eaDir
cp pictures/000.jpg tree/inner/
cp pictures/001.jpg tree/inner/@eaDir/
ln -s .. tree/inner/up
"$cnn" predict "$run" tree --csv >tree.csv 2>err || fail "$(cat err)"
[ "$(cut -d, -f1 tree.csv | sed 1d | sort -u)" = tree/inner/000.jpg ] || fail "$(cut -d, -f1 tree.csv | sort -u)"
grep -q "warning: tree/inner/up: skipped a link to a folder that contains it" err || fail "$(cat err)"

say "a bad picture is reported, the others are classified"
head -c 300 pictures/000.jpg >cut.jpg
is=0
"$cnn" predict "$run" pictures/000.jpg cut.jpg absent.png pictures/001.jpg --top-k 10 --csv >some.csv 2>err || is=$?
[ "$is" = 1 ] || fail "exit status $is: $(cat err)"
cmp <(head -n 21 predict.csv) some.csv || fail "the good pictures are not all there"
grep -q "warning: cut.jpg: " err && grep -q "warning: .*absent.png" err || fail "$(cat err)"
grep -q "error: 2 of 4 images could not be read" err || fail "$(cat err)"
expect 2 "$cnn" predict "$run" cut.jpg absent.png >/dev/null 2>err
grep -q "error: none of the 2 images could be read" err || fail "$(cat err)"

say "JSON is one document, whatever the names are"
name=$(printf 'caf\xe9 "x", y.jpg')
cp pictures/000.jpg "$name"
is=0
"$cnn" predict "$run" "$name" absent.png pictures/001.jpg --top-k 2 --json >said 2>err || is=$?
[ "$is" = 1 ] || fail "exit status $is: $(cat err)"
[ "$("$json_check" n failed <said | tr '\n' ' ')" = "3 1 " ] || fail "$(cat said)"
[ "$("$json_check" images <said | grep -o '"predictions":\[{"label"' | wc -l)" = 2 ] || fail "$(cat said)"
"$json_check" images <said | grep -q '"image":"absent.png","predictions":\[\],"error":' || fail "$(cat said)"
LC_ALL=C.UTF-8 grep -q 'caf\\\\xe9 \\"x\\", y.jpg' said || fail "$(cat said)"
"$cnn" predict "$run" "$name" --top-k 1 --csv 2>/dev/null | LC_ALL=C grep -qaP '^"caf\xe9 ""x"", y.jpg",1,' || fail "CSV of a name with quotes"
: >one.json
"$cnn" predict "$run" pictures/000.jpg --json >one.json 2>/dev/null
"$json_check" failed <one.json | grep -qx 0 || fail "$(cat one.json)"

say "views of a record are added up, whichever of them can be read"
"$cnn" dataset synth --out large --count 12 --side 64 >/dev/null 2>&1
extract large/*.h5 files
read -r x y < <(head -n 1 eval.csv | cut -d, -f4,5 | tr ',' ' ')
mkdir -p "whole/$x" "whole/$y"
cp files/00[0-4].jpg "whole/$x"
cp files/00[5-9].jpg files/01[01].jpg "whole/$y"
cp -r whole damaged
head -c $(($(wc -c <files/003.jpg) - 300)) files/003.jpg >"damaged/$x/003.jpg"
rm "whole/$x/003.jpg"
for data in whole damaged; do
    "$cnn" dataset import folder $data --out sets/$data --check none >/dev/null 2>&1
done
# views SET BATCH MAX_BAD: the records' lines, but for their ids, which are places in the list
views() {
    "$cnn" eval "$run" --data "sets/$1" --tta ten_crop --batch "$2" --set 'augment.eval=[center_crop: 16]' \
        --set data.max_bad="$3" --csv views.csv --json >views.json 2>views.err || fail "$(cat views.err)"
    grep -q '"n": 11,' views.json || fail "$1: $(cat views.json)"
    cut -d, -f2- views.csv
}
views whole 12 0 >whole.csv
for batch in 3 4 5 12; do
    views damaged "$batch" 1 >damaged.csv
    cmp whole.csv damaged.csv || fail "batches of $batch: a damaged record changes the others"
done
left_out=$(grep -c "skipped.*id 3" views.err)
[ "$left_out" -gt 0 ] && [ "$left_out" -lt 5 ] || fail "the record fails in $left_out of 5 crops: this tests nothing"
