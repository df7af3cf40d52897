// One JSON document on stdout.
#ifndef CNN_CLI_JSON_H
#define CNN_CLI_JSON_H
#include <cnn_dist/status.h>
#include <jansson.h>

// Prints and frees `json`; NULL (out of memory) is an error.
enum cnn_status cnn_json_print(json_t *json) CNN_MUST_CHECK;

// A string of JSON, or null. Text from outside may be no UTF-8, which JSON must be: then bytes past ASCII
// become
// '?'.
json_t *cnn_json_foreign(const char *text);

#endif
