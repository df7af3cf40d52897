// One JSON document on standard output.
#ifndef CNN_CLI_JSON_H
#define CNN_CLI_JSON_H
#include "base/json.h"

// Prints and frees `json`. NULL, a document that could not be made, is an error.
enum cnn_status cnn_json_print(json_t *json) CNN_MUST_CHECK;

#endif
