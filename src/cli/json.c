#include "cli/json.h"

#include <stdio.h>
#include <stdlib.h>

enum cnn_status cnn_json_print(json_t *json) {
    char *text = NULL;
    CNN_TRY(cnn_json_dump(&text, json, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
    int failed = puts(text) == EOF || fflush(stdout) != 0;
    free(text);
    return failed ? cnn_fail(CNN_ERR_IO, "cannot write the result to standard output") : CNN_OK;
}
