// JSON documents that are complete or an error. A part that cannot be made turns the document that it was for
// into NULL (as json_pack does), and NULL is an error when the document is written.
#ifndef CNN_BASE_JSON_H
#define CNN_BASE_JSON_H
#include <cnn_dist/status.h>
#include <jansson.h>

// A string of any bytes: those that are not UTF-8, which JSON requires, become \xHH (base/utf8.h). null for
// NULL. Use it for all text from outside: names of files, folders, classes, hosts and libraries.
json_t *cnn_json_string(const char *text);
// A number, or null where `value` is not finite: JSON has no NaN and no infinity.
json_t *cnn_json_number(double value);

// Append an element or set a member, which they take over. On failure *list or *object is freed and becomes
// NULL; a NULL one stays NULL.
void cnn_json_append(json_t **list, json_t *item);
void cnn_json_set(json_t **object, const char *key, json_t *value);

// *out = the document's malloc'ed text; `flags` are those of json_dumps. Frees `document`.
enum cnn_status cnn_json_dump(char **out, json_t *document, size_t flags) CNN_MUST_CHECK;

#endif
