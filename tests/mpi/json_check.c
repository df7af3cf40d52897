// Reads one JSON document and nothing after it from stdin, and prints what its keys hold, a line each. Exit
// status 1 where it is none.   json_check KEY...
#include <jansson.h>
#include <stdio.h>

int main(int argc, char **argv) {
    json_error_t error;
    json_t *document = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    if (!document) {
        fprintf(stderr, "json_check: line %d: %s\n", error.line, error.text);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        json_dumpf(json_object_get(document, argv[i]), stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        putchar('\n');
    }
    json_decref(document);
    return 0;
}
