#include "cli/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cnn_status cnn_json_print(json_t *json) {
    if (!json)
        return cnn_fail(CNN_ERR_MEMORY, "out of memory: cannot make the JSON document");
    int failed = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(json);
    if (failed || putchar('\n') == EOF)
        return cnn_fail(CNN_ERR_IO, "cannot write the result to standard output");
    return CNN_OK;
}

json_t *cnn_json_foreign(const char *text) {
    json_t *string = text ? json_string(text) : json_null();
    if (string)
        return string;
    char *plain = strdup(text);
    for (char *at = plain; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = plain ? json_string(plain) : NULL;
    free(plain);
    return string;
}
