#!/usr/bin/env bash
# The installed library, found by pkg-config, names pictures as `predict` does:  e2e_library.sh PROGRAM BUILD CC
. "$(dirname "$0")/e2e.sh"
build=${2:?} compiler=${3:?}
root=$(cd "$here/../.." && pwd)
make_data

cmake --install "$build" --prefix "$work/prefix" >/dev/null
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name cnn_dist.pc)")
cat >classify.c <<'C'
#include <cnn_dist/classifier.h>
#include <cnn_dist/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    struct cnn_classifier *classifier = NULL;
    int h, w, channels, best = 0;
    if (argc != 2)
        return 2;
    if (cnn_classifier_open(&classifier, argv[1], 1) != CNN_OK) {
        fprintf(stderr, "%s\n", cnn_error_message());
        return 3;
    }
    cnn_classifier_input(classifier, &h, &w, &channels);
    int classes = cnn_classifier_classes(classifier);
    unsigned char *pixels = malloc((size_t)(h * w * channels));
    float *probabilities = malloc((size_t)classes * sizeof *probabilities), sum = 0;
    for (int i = 0; i < h * w * channels; i++)
        pixels[i] = (unsigned char)(i * 7);
    if (cnn_classifier_run(classifier, pixels, h, w, probabilities) != CNN_OK)
        return 4;
    for (int i = 0; i < classes; i++) {
        sum += probabilities[i];
        if (probabilities[i] > probabilities[best])
            best = i;
    }
    float *again = malloc(2 * (size_t)classes * sizeof *again);
    unsigned char *both = malloc(2 * (size_t)(h * w * channels));
    memcpy(both, pixels, (size_t)(h * w * channels));
    memcpy(both + h * w * channels, pixels, (size_t)(h * w * channels));
    if (cnn_classifier_run_batch(classifier, both, 2, again) != CNN_OK ||
        memcmp(again, probabilities, (size_t)classes * sizeof *again) != 0 ||
        memcmp(again + classes, probabilities, (size_t)classes * sizeof *again) != 0)
        return 5;
    if (cnn_classifier_run_file(classifier, "GIF8", 4, again) != CNN_ERR_INPUT)
        return 6;
    free(both);
    free(again);
    printf("%s %d x %d x %d, %d classes, sum %.3f, %s\n", cnn_dist_version(), h, w, channels, classes, sum,
           cnn_classifier_class_name(classifier, best) ? "named" : "unnamed");
    cnn_classifier_close(classifier);
    free(pixels);
    free(probabilities);
    return 0;
}
C
# shellcheck disable=SC2046
"$compiler" -std=c11 -Wall -Wextra -Werror classify.c -o classify $(pkg-config --cflags --libs cnn_dist)
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(pkg-config --variable=libdir cnn_dist)

expect 0 train 1 run --set train.epochs=1
./classify run/runs/tiny >said
grep -Eq "^$(pkg-config --modversion cnn_dist) 16 x 16 x 3, 10 classes, sum 1.000, named$" said || fail "$(cat said)"
expect 3 ./classify absent 2>said
grep -q "absent: no such run folder or checkpoint" said || fail "$(cat said)"

say "the installed program, predict and export"
installed=$work/prefix/bin/cnn_dist
"$installed" predict run/runs/tiny "$root/tests/golden/image/420.jpg" --top-k 3 >predicted
[ "$(wc -l <predicted)" = 4 ] || fail "$(cat predicted)"
"$installed" model export run/runs/tiny --to safetensors --out weights.safetensors >/dev/null
"$installed" predict weights.safetensors "$root/tests/golden/image/420.jpg" --top-k 3 >again
cmp predicted again || fail "exported weights predict something else"
