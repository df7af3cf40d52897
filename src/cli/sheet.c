#include "cli/sheet.h"

#include "base/file.h"
#include "base/memory.h"
#include "cli/font.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 6, LINE = CNN_FONT_H + 3, CAPTION = 2 * LINE, TITLE = LINE + 6, MAX_SIDE = 16384 };

static const uint8_t black[3] = {20, 20, 20}, grey[3] = {120, 120, 120};

// Letters of `text` that fit into `w` pixels; where not all do, the last two become dots.
static void draw_text(struct cnn_sheet *sheet, int x, int y, int w, const char *text,
                      const uint8_t colour[3]) {
    char line[256];
    size_t fits = (size_t)((w + 1) / CNN_FONT_STEP);
    snprintf(line, sizeof line, "%s", text);
    if (fits < 2 || y + CNN_FONT_H > sheet->h || x + w > sheet->w)
        return;
    if (fits >= sizeof line)
        fits = sizeof line - 1;
    if (strlen(line) > fits)
        memcpy(line + fits - 2, "..", 3);
    cnn_font_draw(sheet->pixels + ((size_t)y * (size_t)sheet->w + (size_t)x) * 3, (size_t)sheet->w * 3, line,
                  (int)fits, colour);
}

enum cnn_status cnn_sheet_create(struct cnn_sheet *out, int rows, int cols, int cell, const char *title) {
    int64_t w = GAP + (int64_t)cols * (cell + GAP);
    int64_t h = TITLE + GAP + (int64_t)rows * (cell + CAPTION + GAP);
    if (rows < 1 || cols < 1 || cell < 8 || w > MAX_SIDE || h > MAX_SIDE)
        return cnn_fail(CNN_ERR_INPUT,
                        "a sheet of %d x %d images of %d pixels is too large: at most %d pixels per side",
                        rows, cols, cell, MAX_SIDE);
    struct cnn_sheet sheet = {.rows = rows, .cols = cols, .cell = cell, .h = (int)h, .w = (int)w};
    CNN_TRY(cnn_malloc(&sheet.pixels, (size_t)w * (size_t)h, 3));
    memset(sheet.pixels, 245, (size_t)w * (size_t)h * 3);
    draw_text(&sheet, GAP, GAP, sheet.w - 2 * GAP, title, black);
    *out = sheet;
    return CNN_OK;
}

void cnn_sheet_finish(struct cnn_sheet *sheet) {
    free(sheet->pixels);
    sheet->pixels = NULL;
}

struct fit {
    const uint8_t *pixels;
    int h, w, channels;
    int to_h, to_w;
};

// The largest size that fits into the cell and keeps the shape; whole factors only where it is enlarged.
static struct fit fit_of(const uint8_t *pixels, int h, int w, int channels, int cell) {
    struct fit fit = {pixels, h, w, channels, h, w};
    int longer = h > w ? h : w;
    if (longer <= cell) {
        fit.to_h = h * (cell / longer);
        fit.to_w = w * (cell / longer);
    } else {
        fit.to_h = (int)((int64_t)h * cell / longer);
        fit.to_w = (int)((int64_t)w * cell / longer);
    }
    fit.to_h = fit.to_h < 1 ? 1 : fit.to_h;
    fit.to_w = fit.to_w < 1 ? 1 : fit.to_w;
    return fit;
}

// The mean over the pixels that output (y, x) covers; one pixel where the picture is enlarged.
static void average(uint8_t out[3], const struct fit *fit, int y, int x) {
    int64_t y0 = (int64_t)y * fit->h / fit->to_h, y1 = (int64_t)(y + 1) * fit->h / fit->to_h;
    int64_t x0 = (int64_t)x * fit->w / fit->to_w, x1 = (int64_t)(x + 1) * fit->w / fit->to_w;
    uint64_t sums[3] = {0}, n = 0;
    y1 = y1 > y0 ? y1 : y0 + 1;
    x1 = x1 > x0 ? x1 : x0 + 1;
    for (int64_t i = y0; i < y1; i++)
        for (int64_t j = x0; j < x1; j++, n++)
            for (int c = 0; c < 3; c++)
                sums[c] += fit->pixels[(i * fit->w + j) * fit->channels + (fit->channels == 3 ? c : 0)];
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)((sums[c] + n / 2) / n);
}

void cnn_sheet_put(struct cnn_sheet *sheet, int row, int col, const uint8_t *pixels, int h, int w,
                   int channels, const char *caption, const char *note) {
    int x = GAP + col * (sheet->cell + GAP), y = TITLE + GAP + row * (sheet->cell + CAPTION + GAP);
    if (pixels) {
        struct fit fit = fit_of(pixels, h, w, channels, sheet->cell);
        int left = x + (sheet->cell - fit.to_w) / 2, top = y + (sheet->cell - fit.to_h) / 2;
        for (int i = 0; i < fit.to_h; i++)
            for (int j = 0; j < fit.to_w; j++)
                average(sheet->pixels + ((size_t)(top + i) * (size_t)sheet->w + (size_t)(left + j)) * 3, &fit,
                        i, j);
    }
    draw_text(sheet, x, y + sheet->cell + 2, sheet->cell, caption, black);
    draw_text(sheet, x, y + sheet->cell + 2 + LINE, sheet->cell, note, grey);
}

enum cnn_status cnn_sheet_write(const struct cnn_sheet *sheet, const char *path) {
    uint8_t *png = NULL;
    size_t bytes = 0;
    CNN_TRY(cnn_image_encode_png(&png, &bytes, sheet->pixels, sheet->h, sheet->w, 3));
    enum cnn_status status = cnn_file_replace(path, png, bytes);
    free(png);
    return status;
}
