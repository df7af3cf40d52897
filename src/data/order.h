// The order of an epoch's records, for every shuffle and sampling: a function of (seed, epoch, position) and
// of where the dataset's shards begin and what labels it has. Nothing is stored per epoch but the order of
// the shards.
#ifndef CNN_DATA_ORDER_H
#define CNN_DATA_ORDER_H
#include "base/random.h"
#include "data/dataset.h"
#include "data/sampler.h"

struct cnn_order;
// Borrows `dataset`, whose records are all sampler->n_records. class_balanced takes 4 bytes a record for
// lists of the classes' records. The sampler has been checked. Not collective.
enum cnn_status cnn_order_create(struct cnn_order **out, const struct cnn_sampler *sampler,
                                 const struct cnn_dataset *dataset) CNN_MUST_CHECK;
void cnn_order_destroy(struct cnn_order *order);

// One thread's view of an order (borrowed): remembers the shards' order in the epoch it was last asked for.
struct cnn_order_reader;
enum cnn_status cnn_order_reader_create(struct cnn_order_reader **out,
                                        const struct cnn_order *order) CNN_MUST_CHECK;
void cnn_order_reader_destroy(struct cnn_order_reader *reader);

// A record, and how often the epoch has shown it before: each showing is augmented by draws of its own.
struct cnn_pick {
    uint64_t record;
    uint32_t repeat;
};
// What is at `position` < n_records of the epoch. Uniform: the positions of an epoch (of data.repeats epochs,
// each of its records counted once) hold every record once. Class-balanced: every class that has records gets
// an equal share of the positions, to within one, and goes through all of its records before one comes again.
struct cnn_pick cnn_order_at(struct cnn_order_reader *reader, uint64_t epoch, uint64_t position);
// The random numbers of one showing of a record: a function of (seed, epoch, pick) alone.
struct cnn_draws cnn_order_draws(const struct cnn_sampler *sampler, uint64_t epoch, struct cnn_pick pick);

// CNN_SHUFFLE_WINDOW: the part of the next window that should be read from disk while positions
// begin..end-1 of the epoch, which lie in one step, are used: all ranks together name each byte once, in the
// order of the file. Calls `ask` for each run of records; in other orders, never.
typedef void (*cnn_order_ask)(void *context, uint64_t first_record, uint64_t n_records);
void cnn_order_ahead(struct cnn_order_reader *reader, uint64_t epoch, uint64_t begin, uint64_t end,
                     cnn_order_ask ask, void *context);

#endif
