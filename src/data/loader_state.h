// What the loader's threads and its caller share. Private to loader*.c.
//
// Batches are numbered from the last start; batch b is made in slot b % n_slots. A batch is cut into units of
// a few records. Threads draw tickets (unit t of all units since start) from one counter, so all of them work
// on the oldest batch that is not done. A slot's `turn` says which batch may be written to it: the caller
// moves it on by releasing the batch. `done` counts the finished units; the thread that finishes the last one
// mixes the batch's pictures, where that is wanted, and wakes the caller. Per record no lock is taken; the
// lock guards sleeping, waking and what happens when records fail.
#ifndef CNN_DATA_LOADER_STATE_H
#define CNN_DATA_LOADER_STATE_H
#include "base/error.h"
#include "data/loader.h"
#include "data/order.h"

#include <pthread.h>
#include <stdatomic.h>

#define CNN_LOADER_LINE 64 // bytes of a cache line: what threads write often does not share one
#define CNN_LOADER_NO_TURN UINT64_MAX

struct cnn_loader_slot {
    struct cnn_batch batch;
    void *memory;  // pixels, then labels, from the caller's alloc
    bool *dropped; // rows that an evaluation leaves out
    _Alignas(CNN_LOADER_LINE) _Atomic uint64_t turn;
    _Atomic int done;
    // Of the batch in the making, under the lock.
    int n_bad, bad_row;     // failed records; the first row among them
    struct cnn_error bad;   // why that one failed
    struct cnn_error fatal; // an error that no other record can make good; CNN_OK: none
    // The caller's own.
    bool held;
    uint64_t next_turn; // once released
};

struct cnn_loader_worker {
    _Alignas(CNN_LOADER_LINE) struct cnn_loader *loader;
    pthread_t thread;
    uint64_t run;   // the start it last heard of
    uint8_t *bytes; // one encoded record
    size_t room;
    uint8_t *spare; // one picture; NULL unless batches are mixed
    struct cnn_image_scratch scratch;
    struct cnn_order_reader *order; // NULL in an evaluation
    double unit_read_s, unit_bytes; // of the last unit: time spent reading, and how much
    int n_slow;                     // units for which reads are taken to be slow
    // Written by this thread, read by cnn_loader_stats.
    _Atomic uint64_t records, bytes_read, read_ns, decode_ns, augment_ns;
};

struct cnn_loader {
    struct cnn_loader_options options;
    struct cnn_policy *policy;
    struct cnn_order *order;      // NULL in an evaluation
    struct cnn_image_info stored; // what raw records hold
    size_t row_bytes;
    uint64_t steps;            // of an epoch (training)
    int micros;                // of this rank in a step (training)
    int unit_records, n_units; // records in a unit, units in a batch
    bool mixes;                // once its units are done, a batch's pictures are mixed
    int n_parts;               // n_units, and one for the mixing
    struct cnn_loader_slot *slots;
    uint64_t n_slots;
    struct cnn_loader_worker *workers;
    int n_workers; // those that were started

    // Set by start while every thread is parked.
    uint64_t first_epoch, first_step, n_batches;
    _Alignas(CNN_LOADER_LINE) _Atomic uint64_t ticket;
    _Alignas(CNN_LOADER_LINE) _Atomic bool halt; // leave the batch in the making and park

    pthread_mutex_t lock;
    pthread_cond_t to_caller, to_workers;
    // Under the lock.
    bool quit;
    uint64_t run; // number of starts
    int n_parked;
    uint8_t *reported;      // one bit a record: its failure has been logged; NULL until the first
    _Atomic uint64_t n_bad; // since create

    // The caller's own.
    uint64_t next; // batch
    uint64_t bad_epoch, epoch_bad;
    struct cnn_error error; // sticks until the next start
    uint64_t queue_sum, queue_samples;
};

// Where batch b of this run lies. Pure.
struct cnn_loader_place {
    uint64_t epoch, step, position;
    int n;
};
struct cnn_loader_place cnn_loader_place(const struct cnn_loader *loader, uint64_t batch);

// What a ticket stands for: rows first..end-1 of a batch.
struct cnn_loader_unit {
    uint64_t batch;
    struct cnn_loader_place place;
    int first, end;
};

// The record at row `row` of the batch at `place`, into its slot. Takes care of records that fail.
void cnn_loader_fill_row(struct cnn_loader_worker *worker, struct cnn_loader_slot *slot,
                         const struct cnn_loader_place *place, int row);

// Before `unit` is filled: tells the system what this thread will read after it (`later`; NULL: nothing),
// where that helps.
void cnn_loader_expect(struct cnn_loader_worker *worker, const struct cnn_loader_unit *unit,
                       const struct cnn_loader_unit *later);

// Threads: each runs cnn_loader_work(worker) until quit.
void *cnn_loader_work(void *worker);

#endif
