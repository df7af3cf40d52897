// One JSON document on stdout.
#ifndef CNN_CLI_JSON_H
#define CNN_CLI_JSON_H
#include <cnn_dist/status.h>
#include <jansson.h>

// Prints and frees `json`; NULL (out of memory) is an error.
enum cnn_status cnn_json_print(json_t *json) CNN_MUST_CHECK;

#endif
