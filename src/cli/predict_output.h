// What `predict` prints: text, one JSON document, or CSV, picture by picture as they are done.
#ifndef CNN_CLI_PREDICT_OUTPUT_H
#define CNN_CLI_PREDICT_OUTPUT_H
#include <cnn_dist/status.h>
#include <stddef.h>

enum cnn_predict_format { CNN_PREDICT_TEXT, CNN_PREDICT_JSON, CNN_PREDICT_CSV };

// The most probable classes of one picture, or why there are none.
struct cnn_prediction {
    const char *path;
    const char *reason; // NULL where the picture could be used; otherwise the rest is unused
    int n;
    const int *labels;          // n, the most probable first
    const char *const *names;   // n; NULL for a class without a name
    const float *probabilities; // n
};

// To standard output, in this order: begin, picture ..., end. Pictures that could not be used are in the JSON
// document only. picture and end fail (CNN_ERR_IO) where the output cannot be written.
enum cnn_status cnn_predict_begin(enum cnn_predict_format format, const char *checkpoint) CNN_MUST_CHECK;
enum cnn_status cnn_predict_picture(enum cnn_predict_format format, const struct cnn_prediction *prediction,
                                    size_t i) CNN_MUST_CHECK;
// n pictures, of which n_bad could not be used.
enum cnn_status cnn_predict_end(enum cnn_predict_format format, size_t n, size_t n_bad) CNN_MUST_CHECK;

#endif
