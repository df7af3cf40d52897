// Plans that a library compiles when they are made, kept as the text it gives for them: in memory for layers
// that are alike, and from run to run as a file for each in a folder. Knows nothing of CUDA.
#ifndef CNN_BACKEND_CUDA_PLAN_STORE_H
#define CNN_BACKEND_CUDA_PLAN_STORE_H
#include <cnn_dist/status.h>
#include <stddef.h>

#define CNN_PLAN_STORE_KEY_BYTES 768

struct cnn_plan_store;
// `folder` is made when the first plan is kept; NULL: none, the store lasts as long as the process. A folder
// that cannot be used is logged once and done without.
enum cnn_status cnn_plan_store_create(struct cnn_plan_store **out, const char *folder) CNN_MUST_CHECK;
void cnn_plan_store_destroy(struct cnn_plan_store *store); // accepts NULL

// The text kept for `key` and its bytes, without a NUL, until the store is destroyed or something is kept
// under the same key; NULL: none. A file that is damaged or another key's counts as none.
const char *cnn_plan_store_find(struct cnn_plan_store *store, const char *key, size_t *out_bytes);
// Copies, in place of what was kept. Fails only for want of memory.
enum cnn_status cnn_plan_store_keep(struct cnn_plan_store *store, const char *key, const char *text,
                                    size_t bytes) CNN_MUST_CHECK;

#endif
