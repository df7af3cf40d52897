#include "comm/fold.h"

#include <assert.h>
#include <math.h>
#include <string.h>

// out = out op row, for n elements
typedef void (*fold_row)(void *out, const void *row, size_t n);

#define SUM(a, b) ((a) + (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
// A NaN on either side stays: no comparison with one is true, so a NaN b is taken without asking.
#define FMAX(a, b) (isnan(a) || (a) > (b) ? (a) : (b))
#define FMIN(a, b) (isnan(a) || (a) < (b) ? (a) : (b))
#define FOLD(name, type, op)                                                                                 \
    static void name(void *out_, const void *row_, size_t n) {                                               \
        type *out = out_;                                                                                    \
        const type *row = row_;                                                                              \
        for (size_t i = 0; i < n; i++)                                                                       \
            out[i] = (type)op(out[i], row[i]);                                                               \
    }
FOLD(sum_f32, float, SUM)
FOLD(max_f32, float, FMAX)
FOLD(min_f32, float, FMIN)
FOLD(sum_f64, double, SUM)
FOLD(max_f64, double, FMAX)
FOLD(min_f64, double, FMIN)
FOLD(sum_i64, uint64_t, SUM) // unsigned: wraps by definition
FOLD(max_i64, int64_t, MAX)
FOLD(min_i64, int64_t, MIN)
FOLD(sum_byte, uint8_t, SUM)
FOLD(max_byte, uint8_t, MAX)
FOLD(min_byte, uint8_t, MIN)

static const struct {
    size_t bytes;
    fold_row by_op[3];
} types[] = {
    [CNN_COMM_F32] = {4,
                      {[CNN_REDUCE_SUM] = sum_f32, [CNN_REDUCE_MAX] = max_f32, [CNN_REDUCE_MIN] = min_f32}},
    [CNN_COMM_F64] = {8,
                      {[CNN_REDUCE_SUM] = sum_f64, [CNN_REDUCE_MAX] = max_f64, [CNN_REDUCE_MIN] = min_f64}},
    [CNN_COMM_I64] = {8,
                      {[CNN_REDUCE_SUM] = sum_i64, [CNN_REDUCE_MAX] = max_i64, [CNN_REDUCE_MIN] = min_i64}},
    [CNN_COMM_BYTE] =
        {1, {[CNN_REDUCE_SUM] = sum_byte, [CNN_REDUCE_MAX] = max_byte, [CNN_REDUCE_MIN] = min_byte}},
};

bool cnn_fold_supports(enum cnn_comm_type type, enum cnn_reduce op) {
    return (size_t)type < sizeof types / sizeof types[0] && (size_t)op < 3;
}

size_t cnn_comm_type_bytes(enum cnn_comm_type type) {
    return cnn_fold_supports(type, CNN_REDUCE_SUM) ? types[type].bytes : 0;
}

void cnn_fold(void *out, const void *all, int size, size_t n, enum cnn_comm_type type, enum cnn_reduce op) {
    assert(cnn_fold_supports(type, op));
    size_t row_bytes = n * types[type].bytes;
    memcpy(out, all, row_bytes);
    for (int rank = 1; rank < size; rank++)
        types[type].by_op[op](out, (const char *)all + (size_t)rank * row_bytes, n);
}

// Sums stand in small arrays of their own, so that the compiler may use vectors although `out` is one of the
// rows.
#define SUM_BLOCK 512
#define SUM_LEVELS 20

static void add_rows(float *restrict out, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

// Counts pairs in binary: levels[k], where bit k of the number of pairs is set, holds the sum of 2^k of them.
static const float *sum_in_pairs(float levels[SUM_LEVELS][SUM_BLOCK], const float *const *rows, int size,
                                 size_t first, size_t n) {
    const int pairs = size / 2;
    float sum[SUM_BLOCK];
    for (int pair = 0; pair < pairs; pair++) {
        int level = 0;
        add_rows(sum, rows[2 * pair] + first, rows[2 * pair + 1] + first, n);
        for (; pair >> level & 1; level++)
            for (size_t i = 0; i < n; i++)
                sum[i] += levels[level][i];
        memcpy(levels[level], sum, n * sizeof *sum);
    }
    const float *last = size % 2 ? rows[size - 1] + first : NULL;
    for (int level = 0; pairs >> level; level++) {
        if (!(pairs >> level & 1))
            continue;
        if (last)
            for (size_t i = 0; i < n; i++)
                levels[level][i] += last[i];
        last = levels[level];
    }
    return last;
}

void cnn_fold_sum_rows(float *out, float *also, const float *const *rows, int size, size_t n) {
    float levels[SUM_LEVELS][SUM_BLOCK];
    assert(size >= 2 && size <= CNN_FOLD_MOST);
    for (size_t first = 0; first < n; first += SUM_BLOCK) {
        const size_t count = n - first < SUM_BLOCK ? n - first : SUM_BLOCK;
        const float *sum = sum_in_pairs(levels, rows, size, first, count);
        memcpy(out + first, sum, count * sizeof *sum);
        if (also)
            memcpy(also + first, sum, count * sizeof *sum);
    }
}
