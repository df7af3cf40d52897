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

// Sums stand in a small array of their own, so that the compiler may use vectors although `out` is one of the
// rows.
#define SUM_BLOCK 1024

void cnn_fold_sum_rows(float *out, float *also, const float *const *rows, int size, size_t n) {
    float sum[SUM_BLOCK];
    for (size_t first = 0; first < n; first += SUM_BLOCK) {
        size_t count = n - first < SUM_BLOCK ? n - first : SUM_BLOCK;
        const float *a = rows[0] + first, *b = rows[1] + first;
        for (size_t i = 0; i < count; i++)
            sum[i] = a[i] + b[i];
        for (int row = 2; row < size; row++) {
            const float *c = rows[row] + first;
            for (size_t i = 0; i < count; i++)
                sum[i] += c[i];
        }
        memcpy(out + first, sum, count * sizeof *sum);
        if (also)
            memcpy(also + first, sum, count * sizeof *sum);
    }
}
