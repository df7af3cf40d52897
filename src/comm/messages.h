// Private to comm/: sums floats over the ranks of one MPI communicator with point-to-point messages.
// Each rank owns a run of the data: it receives that run from all others, adds in pairs (fold.h), and sends
// the sums back. What a rank sends and receives is the volume of a ring all-reduce, in two steps instead of 2
// (size - 1), and the order of addition depends on nothing but the ranks (reduce-scatter and all-gather of
// Thakur, Rabenseifner and Gropp 2005).
#ifndef CNN_COMM_MESSAGES_H
#define CNN_COMM_MESSAGES_H
#include "comm/exchange.h"

#include <mpi.h>

struct cnn_messages;

// How the two steps' messages look. The parts of a rank that are sums already (of its host) must be `parts`
// of floats: what travels in 16 bits is rounded.
struct cnn_messages_wires {
    struct cnn_wire parts, sums;
};

// Takes over `comm` on success; what the wires point to is borrowed. job_rank: what errors call this rank.
// Not collective.
enum cnn_status cnn_messages_create(struct cnn_messages **out, MPI_Comm comm, int job_rank,
                                    const struct cnn_messages_wires *wires) CNN_MUST_CHECK;
// Collective, unless a sum failed: then communicator and buffers are left alone, messages may still arrive in
// them.
void cnn_messages_destroy(struct cnn_messages *messages); // accepts NULL
// The sums over the communicator of the parts as they travel, rounded as sums travel. Collective over it.
// Fails with cnn_patience_give's error when patience is over.
enum cnn_status cnn_messages_sum(struct cnn_messages *messages, float *arena, struct cnn_span span,
                                 const struct cnn_patience *patience) CNN_MUST_CHECK;

#endif
