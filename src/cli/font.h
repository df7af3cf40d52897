// A bitmap font of 5 x 7 pixels for the captions of contact sheets: ASCII.
#ifndef CNN_CLI_FONT_H
#define CNN_CLI_FONT_H
#include <stddef.h>
#include <stdint.h>

enum { CNN_FONT_W = 5, CNN_FONT_H = 7, CNN_FONT_STEP = 6 }; // pixels; step: from one letter to the next

// Draws up to `n` letters, the first one's upper left corner at `pixels`, an RGB picture with rows `stride`
// bytes apart. The caller has made sure that they fit. What is not ASCII becomes '?'.
void cnn_font_draw(uint8_t *pixels, size_t stride, const char *text, int n, const uint8_t colour[3]);

#endif
