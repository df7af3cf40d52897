// One JSON object on one line, written field by field into fixed memory.
#ifndef CNN_TRAIN_JSON_LINE_H
#define CNN_TRAIN_JSON_LINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_JSON_LINE_BYTES 65536

struct cnn_json_line {
    char text[CNN_JSON_LINE_BYTES];
    size_t n; // bytes so far
};
void cnn_json_begin(struct cnn_json_line *line, const char *kind); // {"kind":"..."
void cnn_json_int(struct cnn_json_line *line, const char *key, int64_t value);
void cnn_json_exact(struct cnn_json_line *line, const char *key,
                    double value); // the shortest that reads back to the same bits
void cnn_json_rounded(struct cnn_json_line *line, const char *key, double value); // six digits
void cnn_json_bool(struct cnn_json_line *line, const char *key, bool value);
// Bytes that are not UTF-8 become \xHH (base/utf8.h). A text that does not fit ends in "...", and no field
// after it is lost: the last 4096 bytes of the line are for the others.
void cnn_json_text(struct cnn_json_line *line, const char *key, const char *value);
void cnn_json_end(struct cnn_json_line *line); // } and a newline

#endif
