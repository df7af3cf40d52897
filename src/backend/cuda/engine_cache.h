// Which engine was found fastest for a product on this device, kept from run to run in a text file. Its first
// line says what it is; every other line is `KEY<tab>ENGINE`. What stands in the file stays while it works:
// processes that choose at the same time agree on what the first of them wrote, so that runs repeat bit for
// bit. Knows nothing of CUDA.
#ifndef CNN_BACKEND_CUDA_ENGINE_CACHE_H
#define CNN_BACKEND_CUDA_ENGINE_CACHE_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>

#define CNN_ENGINE_CACHE_KEY_BYTES 512
#define CNN_ENGINE_CACHE_ENGINE_BYTES 192

struct cnn_engine_cache;
// `folder` NULL: the user's, $XDG_CACHE_HOME/cnn_dist or ~/.cache/cnn_dist. Reads the file, if there is one.
// A file or folder that cannot be used is logged once, and the cache lasts as long as the process.
enum cnn_status cnn_engine_cache_create(struct cnn_engine_cache **out, const char *folder) CNN_MUST_CHECK;
void cnn_engine_cache_destroy(struct cnn_engine_cache *cache);

// Where the file lies; NULL: nowhere.
const char *cnn_engine_cache_folder(const struct cnn_engine_cache *cache);
// The engine kept for `key`, until the next call that changes the cache; NULL: none.
const char *cnn_engine_cache_find(const struct cnn_engine_cache *cache, const char *key);
// Waits for other processes that are choosing, and reads what they wrote: after a miss, lock, find again,
// choose, keep, unlock. Gives up after a minute, or at once where locking does not work; unlock is needed in
// any case.
void cnn_engine_cache_lock(struct cnn_engine_cache *cache);
void cnn_engine_cache_unlock(struct cnn_engine_cache *cache);
// Remembers, and writes the file whole, others' lines included. What stands there for the key stays, unless
// it is `refused` ("": nothing is): an engine that was found not to work. CNN_ERR_INPUT: a key or engine that
// is empty, too long or no printable text.
enum cnn_status cnn_engine_cache_keep(struct cnn_engine_cache *cache, const char *key, const char *engine,
                                      const char *refused) CNN_MUST_CHECK;

// The file's text. What a line says comes before what was known for its key; *out_damaged counts the lines
// that are none.
enum cnn_status cnn_engine_cache_parse(struct cnn_engine_cache *cache, const char *text, size_t bytes,
                                       int *out_damaged) CNN_MUST_CHECK;
enum cnn_status cnn_engine_cache_format(char **out, const struct cnn_engine_cache *cache) CNN_MUST_CHECK;

#endif
