#!/usr/bin/env bash
# Importing with any number of ranks and threads, killed and started again, gives the same bytes; what is refused leaves
# nothing behind.
. "$(dirname "$0")/e2e.sh"
if [ -w /dev/shm ]; then # imports sync what they write, which costs nothing there
    memory=$(mktemp -d /dev/shm/cnn-e2e-XXXXXX)
    trap 'rm -rf "$work" "$memory"' EXIT
    cd "$memory"
fi

# Pictures come out of a drawn dataset's shards: 120 in three classes, one of them cut short.
make_pictures() {
    local i class
    "$cnn" dataset synth --out drawn --count 120 --side 48 --json >/dev/null
    mkdir -p pictures/{one,two,three}
    for i in $(seq 0 119); do
        class=$(printf 'one\ntwo\nthree\n' | sed -n "$((i % 3 + 1))p")
        picture "$i" >"pictures/$class/$(printf '%03d' "$i").jpg"
    done
    head -c 500 pictures/two/001.jpg >short.jpg && mv short.jpg pictures/two/001.jpg
}

# picture I: the bytes of record I, which begins with the I-th start-of-image marker
picture() {
    [ -e offsets ] || LC_ALL=C grep -obUaP '\xff\xd8\xff\xe0' drawn/*.h5 | cut -d: -f1 >offsets
    local begin end
    begin=$(sed -n "$(($1 + 1))p" offsets)
    end=$(sed -n "$(($1 + 2))p" offsets)
    tail -c "+$((begin + 1))" drawn/*.h5 | head -c "$((${end:-$(stat -c %s drawn/*.h5)} - begin))" || true
}

same() { diff -r "$1" "$2" >/dev/null || fail "$1 and $2 differ"; }

make_pictures
args=(--shard-records 9 --split "train=0.8,val=0.2" --name d)

say "any number of ranks and threads"
expect 0 "$cnn" dataset import folder pictures --out of1 "${args[@]}" --threads 1 >out1
grep -q "of1: 119 records of 3 classes in 14 shards" out1 || fail "not what was expected: $(cat out1)"
grep -q "skipped 1 image that cannot be used; see of1/quarantine.tsv: JPEG: .*truncated.* (1)" out1 ||
    fail "the broken picture was not mentioned"
grep -q "two/001.jpg.*truncated" of1/quarantine.tsv || fail "the report does not name the broken picture"
for cut in "1 3" "2 1" "3 2" "4 1"; do
    read -r n threads <<<"$cut"
    expect 0 ranks "$n" dataset import folder pictures --out "of$n-$threads" "${args[@]}" --threads "$threads" >/dev/null
    same of1 "of$n-$threads"
done
expect 0 ranks 2 dataset verify of1/train >/dev/null

say "killed on two ranks, then started on three"
hits=0
for after in 0.15 0.25 0.35; do
    ranks 2 dataset import folder pictures --out killed "${args[@]}" >/dev/null 2>&1 &
    job=$!
    sleep "$after"
    for child in $(programs_below "$job"); do kill -KILL "$child" 2>/dev/null || true; done
    wait "$job" || hits=$((hits + 1))
done
[ "$hits" -gt 0 ] || fail "every import was done before it was killed"
expect 0 ranks 3 dataset import folder pictures --out killed "${args[@]}" >/dev/null
same of1 killed
expect 0 ranks 2 dataset import folder pictures --out killed "${args[@]}" >again
grep -q "it already exists" again || fail "a finished import was not recognised"

say "an archive, plain and compressed"
tar -cf p.tar --sort=name pictures
tar -czf p.tar.gz --sort=name pictures
expect 0 "$cnn" dataset import tar p.tar --out tar1 "${args[@]}" >/dev/null
expect 0 ranks 2 dataset import tar p.tar.gz --out tar2 "${args[@]}" >/dev/null
same tar1 tar2

say "an archive with links and names of all kinds gives what the unpacked folder gives"
left_out() { sed '1d; s/; see .*//' "$1"; } # the reason why the dangling link cannot be read has other words
contents() { "$cnn" dataset info "$1" | grep -vE '^(dataset|source|fingerprint) '; }
mkdir -p odd/Käfer odd/leer odd/Hünde && cp pictures/one/*.jpg odd/Käfer && cp pictures/three/*9*.jpg odd/Hünde
ln -s ../Käfer/000.jpg odd/Hünde/link.jpg && ln odd/Käfer/003.jpg odd/Hünde/hard.jpg && ln -s Käfer odd/beetle
ln -s none.jpg odd/Hünde/lost.jpg && touch odd/.hidden odd/README
expect 0 "$cnn" dataset import folder odd --out odd-folder >odd.out 2>odd.err
grep -q "no usable images of 1 of the 4 classes: leer" odd.err || fail "the empty class was not named: $(cat odd.err)"
tar -cf odd.tar odd && tar -czf odd.tar.gz --format=pax odd
archives=(odd.tar odd.tar.gz)
if command -v zip >/dev/null; then (cd odd && zip -qry ../odd.zip .) && archives+=(odd.zip); fi
for archive in "${archives[@]}"; do
    expect 0 "$cnn" dataset import tar "$archive" --out "of-$archive" >archive.out 2>archive.err
    diff <(contents odd-folder) <(contents "of-$archive") || fail "$archive differs from its folder"
    diff <(left_out odd.out) <(left_out archive.out) || fail "$archive: other files were left out"
    grep -q "of the 4 classes: leer" archive.err || fail "$archive: the empty class was not named: $(cat archive.err)"
done

# refused RANKS WORDS ARGS...: exit status 2, one line that says WORDS, and no folder
refused() {
    local n=$1 words=$2 alone
    shift 2
    if [ "$n" = 1 ]; then alone=("$cnn"); else alone=(ranks "$n"); fi
    expect 2 "${alone[@]}" dataset import "$@" --out refused >refused.out 2>refused.err
    [ "$(grep -c '^cnn_dist: error: ' refused.err)" = 1 ] || fail "not one line of error: $(cat refused.err)"
    grep -q -e "$words" refused.err || fail "'$(cat refused.err)' does not say '$words'"
    [ ! -e refused ] || fail "refused, but something was written: $(ls -A refused)"
}

say "what is refused"
mkdir -p junk/{a,b} && echo text >junk/a/1.jpg && echo text >junk/b/2.jpg
refused 2 "is not a folder" folder none
refused 1 "cannot open none.tar" tar none.tar
refused 1 "none.csv" list none.csv
refused 1 "data_batch_1.bin" cifar10 pictures
refused 1 "train.bin" cifar100 pictures
refused 1 "train-images-idx3-ubyte" idx pictures
refused 2 "instead of 1" folder pictures --split train=0.5
refused 1 "unknown part .val." cifar10 pictures --part val
refused 1 "header, decode and none" folder pictures --check all
refused 1 "HEIGHTxWIDTH" folder pictures --raw 10x
refused 1 "out of range" folder pictures --quality 101
refused 2 "none of the 2 images for refused can be used, for example a/1.jpg" folder junk --shard-records 1
refused 2 "two/001.jpg.*truncated" folder pictures --strict --shard-records 9
