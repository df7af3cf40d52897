#!/usr/bin/env bash
# Gray pictures, mixed pictures, and pictures that are looked at several times in evaluation.
. "$(dirname "$0")/e2e.sh"
make_data

say "a network for gray pictures is trained, tested and asked"
expect 0 train 2 gray --set data.channels=1
ranks 1 eval gray/runs/tiny --json >gray.json
grep -q '"n": 101,' gray.json || fail "not every record was counted"
"$cnn" dataset show data/val --out picture.png >/dev/null 2>&1
"$cnn" predict gray/runs/tiny picture.png --json | grep -q '"label"\|"class"' || fail "a gray network says nothing"

say "mixed pictures: the same on any number of ranks"
for n in 1 2; do
    expect 0 train $n mixed$n --set augment.mixup=0.2 --set augment.cutmix=1 --set eval.every=never
done
cmp "$(last_checkpoint mixed1)" "$(last_checkpoint mixed2)" || fail "another number of ranks mixes otherwise"
expect 2 train 1 alone --set augment.mixup=0.2 --set train.batch.micro=1
grep -q "a larger train.batch.micro" alone/err || fail "mixing a single picture has no clear error"

say "several views: every record once, on any number of ranks"
run=$(realpath gray/runs/tiny)
top1() { sed -n 's/^ *"\(top1\|n\)": \([^,]*\).*/\1 \2/p' "$1"; }
for views in flip five_crop ten_crop; do
    for n in 1 3; do
        ranks $n eval "$run" --json --tta $views --batch $((7 * n)) --set 'augment.eval=[center_crop: 14]' \
            >views$n.json 2>views.err || fail "$views on $n ranks: $(cat views.err)"
    done
    grep -q '"n": 101,' views1.json || fail "$views: not every record was counted"
    diff <(top1 views1.json) <(top1 views3.json) || fail "$views: 3 ranks count differently"
done
! ranks 1 eval "$run" --tta five_crop >/dev/null 2>views.err || fail "five crops of a list without a crop are no error"
grep -q "; add one" views.err || fail "five crops of a list without a crop have no clear error"
