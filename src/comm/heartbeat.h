// Private to comm/: signs of life of all ranks, small messages between rank 0 and each of the others. They
// use MPI_COMM_WORLD, on which nothing else is ever sent. Needs MPI_THREAD_MULTIPLE. One thread at a time.
#ifndef CNN_COMM_HEARTBEAT_H
#define CNN_COMM_HEARTBEAT_H
#include "comm/late.h"

#include <cnn_dist/status.h>

enum cnn_beat_kind {
    CNN_BEAT_ALIVE, // to rank 0: how the sender is. From rank 0: whom the ranks wait for
    CNN_BEAT_END,   // the job ends; `text` says why
};
struct cnn_beat {
    enum cnn_beat_kind kind;
    struct cnn_rank_sign sign; // ALIVE, to rank 0
    char text[1024];
};

struct cnn_heartbeat;
// After MPI_Init. Not collective.
enum cnn_status cnn_heartbeat_create(struct cnn_heartbeat **out, int rank, int size) CNN_MUST_CHECK;
// Takes one message that has arrived and says who sent it; false: none.
bool cnn_heartbeat_next(struct cnn_heartbeat *heartbeat, struct cnn_beat *out, int *from);
// Sends without waiting. False where the message before it to that rank is still under way.
bool cnn_heartbeat_send(struct cnn_heartbeat *heartbeat, int to, const struct cnn_beat *beat);
// Waits until all is sent, but no longer than most_s: connections are made by the first message.
void cnn_heartbeat_flush(struct cnn_heartbeat *heartbeat, double most_s);
// Before MPI_Finalize; accepts NULL.
void cnn_heartbeat_destroy(struct cnn_heartbeat *heartbeat);

#endif
