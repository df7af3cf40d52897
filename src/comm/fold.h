// Private to comm/: reductions of arrays held in memory, in rank order so that every rank gets the same bits.
#ifndef CNN_COMM_FOLD_H
#define CNN_COMM_FOLD_H
#include "comm/comm.h"

// Of one element; 0 for a type or operation that does not exist.
size_t cnn_comm_type_bytes(enum cnn_comm_type type);
bool cnn_fold_supports(enum cnn_comm_type type, enum cnn_reduce op);
// out[i] = all[0][i] op all[1][i] op ... op all[size-1][i], left to right; all: size rows of n elements.
// Integer sums wrap; a NaN in any row makes the MAX or MIN a NaN.
void cnn_fold(void *out, const void *all, int size, size_t n, enum cnn_comm_type type, enum cnn_reduce op);

// out[i] = the sum of rows[0][i], rows[1][i], ...; 2 <= size <= CNN_FOLD_MOST. Neighbours are added first,
// then pairs of pairs: ((0 + 1) + (2 + 3)) + ..., so that sums of aligned powers of two can be made elsewhere
// before, with the same bits. `out` may be one of the rows. The same sums also go to `also` (NULL: nowhere),
// which is none of the rows.
#define CNN_FOLD_MOST (1 << 20)
void cnn_fold_sum_rows(float *out, float *also, const float *const *rows, int size, size_t n);

#endif
