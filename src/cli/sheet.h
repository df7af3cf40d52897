// A contact sheet: pictures in rows and columns, each with two lines of caption, under a title.
#ifndef CNN_CLI_SHEET_H
#define CNN_CLI_SHEET_H
#include <cnn_dist/status.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_sheet {
    int rows, cols, cell; // cell: side of the square a picture is fitted into, in pixels
    int h, w;             // of the sheet
    uint8_t *pixels;      // RGB
};

// CNN_ERR_INPUT where the sheet would be too large to be looked at.
enum cnn_status cnn_sheet_create(struct cnn_sheet *out, int rows, int cols, int cell,
                                 const char *title) CNN_MUST_CHECK;
void cnn_sheet_finish(struct cnn_sheet *sheet);
// Fits h x w pixels of `channels` (1 or 3) bytes into a cell: larger ones are shrunk by averaging, smaller
// ones enlarged by a whole factor. pixels NULL: an empty cell. Captions that are too long are cut.
void cnn_sheet_put(struct cnn_sheet *sheet, int row, int col, const uint8_t *pixels, int h, int w,
                   int channels, const char *caption, const char *note);
// As a PNG.
enum cnn_status cnn_sheet_write(const struct cnn_sheet *sheet, const char *path) CNN_MUST_CHECK;

#endif
