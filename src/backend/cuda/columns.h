// How work on a matrix of rows x channels (NHWC: a pixel is a row) is cut for sums over rows and for what is
// done with a channel's coefficients: a thread keeps to a few neighbouring channels and goes down the rows of
// a chunk, so that coefficients and sums stay in registers. A block is `across` threads side by side times
// `down` rows.
#ifndef CNN_BACKEND_CUDA_COLUMNS_H
#define CNN_BACKEND_CUDA_COLUMNS_H
#include <stdbool.h>
#include <stddef.h>

enum { CNN_COLUMN_THREADS = 256 };

struct cnn_columns {
    size_t rows;
    int channels, width; // channels a thread has; 1 where they do not fill 16 bytes
    int across, down;    // threads of a block: across * down <= CNN_COLUMN_THREADS
    int blocks;          // side by side
    int chunks;          // of rows, each with a row of blocks
    size_t chunk_rows;   // the last chunk may have fewer
};

static inline size_t cnn_columns_quotient(size_t a, size_t b) { return (a + b - 1) / b; }

// `type_bytes` of an element; as many blocks as the device runs at a time (`at_once`), so that all end
// together, but at least 4 rows a thread.
static inline struct cnn_columns cnn_columns_of(size_t rows, int channels, size_t type_bytes, int at_once) {
    struct cnn_columns c = {rows, channels, (int)(16 / type_bytes), 0, 0, 0, 0, 0};
    if (channels % c.width)
        c.width = 1;
    const int groups = channels / c.width;
    c.blocks = (groups + 31) / 32;
    c.across = (groups + c.blocks - 1) / c.blocks;
    c.down = CNN_COLUMN_THREADS / c.across;
    const size_t most = (size_t)at_once / (size_t)c.blocks,
                 useful = cnn_columns_quotient(rows, (size_t)c.down * 4),
                 chunks = most < 1        ? 1
                          : most < useful ? most
                                          : useful;
    c.chunk_rows = cnn_columns_quotient(rows, chunks);
    c.chunks = (int)cnn_columns_quotient(rows, c.chunk_rows);
    return c;
}

#endif
