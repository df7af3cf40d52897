#!/usr/bin/env bash
# JSON documents are complete, also where names of files, folders and classes are not UTF-8.   e2e_json.sh PROGRAM JSON_CHECK
. "$(dirname "$0")/e2e.sh"
check=$(realpath "${2:?usage: $0 PROGRAM JSON_CHECK}")

# holds FILE KEY TEXT: FILE is one JSON document, and TEXT is part of what its KEY holds
holds() {
    "$check" "$2" <"$1" >value || fail "no JSON: $(cat "$1")"
    grep -qF -- "$3" value || fail "$2 is $(cat value) instead of $3"
}

e_acute=$'\xe9' e_grave=$'\xe8' # in Latin-1; the locale may be of any kind
"$cnn" dataset synth --out synth --count 4 --side 16 >/dev/null 2>&1
"$cnn" dataset show synth --out picture.png --rows 1 --cols 1 >/dev/null
mkdir -p "pictures/caf$e_acute" "pictures/caf$e_grave" pictures/dog
for class in pictures/*; do cp picture.png "$class/0.png" && cp picture.png "$class/1$e_acute.png"; done
echo "no picture" >"pictures/dog/bad$e_acute.png"

say "a dataset whose class names are not UTF-8"
"$cnn" dataset import folder pictures --out "data$e_acute" --raw 16 --json >import.json 2>import.err
holds import.json path '"data\\xe9"'
grep -qF 'caf\xe9 is not UTF-8' import.err || fail "$(cat import.err)"
"$cnn" dataset info "data$e_acute" --json >info.json
holds info.json path '"data\\xe9"'
holds info.json classes '{"label":0,"name":"caf\\xe8","records":2},{"label":1,"name":"caf\\xe9","records":2}'
"$cnn" dataset stats "data$e_acute" --json >stats.json
holds stats.json classes '"name":"caf\\xe9"'
"$cnn" dataset verify "data$e_acute" --json >verify.json
holds verify.json ok true

say "a run of it"
mv "data$e_acute" data
cat >tiny.yaml <<YAML
run: {name: tiny}
data: {train: $work/data, threads: 1}
model: {arch: resnet8}
train: {epochs: 1, batch: {global: 6}, threads: 1}
log: {every: 1}
backend: cpu
YAML
expect 2 "$cnn" train tiny.yaml --set "run.name=caf$e_acute" 2>name.err
grep -q "byte 0xe9 is not valid UTF-8" name.err || fail "$(cat name.err)"
expect 0 train 1 run
while read -r line; do "$check" kind <<<"$line" >/dev/null || fail "no JSON: $line"; done <"$(metrics run)"
mv run/runs/tiny "caf$e_acute"
"$cnn" eval "caf$e_acute" --data data --json >eval.json 2>/dev/null
holds eval.json checkpoint '"caf\\xe9/'
holds eval.json n 6
cp picture.png "caf$e_acute.png"
"$cnn" predict "caf$e_acute" "caf$e_acute.png" picture.png --top-k 3 --json >predict.json 2>/dev/null
holds predict.json checkpoint '"caf\\xe9/'
holds predict.json images '"image":"caf\\xe9.png"'
holds predict.json images '"image":"picture.png"'
holds predict.json images '"class":"caf\\xe8"'

say "the other documents"
for words in "config schema" "model list --json" "model summary resnet8 --json" "version --json"; do
    # shellcheck disable=SC2086 # several words are meant
    "$cnn" $words | "$check" >/dev/null || fail "no JSON: $words"
done
