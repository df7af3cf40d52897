#include "base/json.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

json_t *cnn_json_string(const char *text) {
    char *escaped;
    if (!text)
        return json_null();
    if (cnn_utf8_escape(&escaped, text) != CNN_OK)
        return NULL;
    json_t *string = json_string(escaped);
    free(escaped);
    return string;
}

json_t *cnn_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void settle(json_t **document, int failed) {
    if (!failed)
        return;
    json_decref(*document);
    *document = NULL;
}

void cnn_json_append(json_t **list, json_t *item) { settle(list, json_array_append_new(*list, item)); }

void cnn_json_set(json_t **object, const char *key, json_t *value) {
    settle(object, json_object_set_new(*object, key, value));
}

enum cnn_status cnn_json_dump(char **out, json_t *document, size_t flags) {
    char *text = document ? json_dumps(document, flags) : NULL;
    json_decref(document);
    if (!text)
        return cnn_fail(CNN_ERR_MEMORY,
                        "cannot make the JSON document: out of memory, or a text in it is not UTF-8");
    *out = text;
    return CNN_OK;
}
