// What a rank is, and the collectives ranks talk with, behind one table (self, MPI).
// Environment, for tests and to look for faults: CNN_COMM_EXCHANGE=messages (gradients never by shared
// memory), CNN_COMM_OVERLAP=0 (gradients only after backward), CNN_COMM_RANKS_PER_HOST=N (ranks stand in for
// hosts), CNN_COMM_TIMEOUT_S=S (the limit of waits before cnn_comm_set_timeout; 600 otherwise).
#ifndef CNN_COMM_COMM_H
#define CNN_COMM_COMM_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cnn_reduce { CNN_REDUCE_SUM, CNN_REDUCE_MAX, CNN_REDUCE_MIN };
enum cnn_comm_type { CNN_COMM_F32, CNN_COMM_F64, CNN_COMM_I64, CNN_COMM_BYTE };

struct cnn_comm;

// Joins the job this process was started in: MPI where a launcher (mpirun, srun) started it, otherwise one
// rank alone without MPI. Collective over the job. Call once, before threads are made.
enum cnn_status cnn_comm_start(struct cnn_comm **out) CNN_MUST_CHECK;
// Leaves the job. Collective; accepts NULL. After an exchange that failed it does not wait for the others:
// the launcher ends them once this process has exited with an error. Where MPI does not let go of this
// process within the limit, it exits with `exit_code`.
void cnn_comm_finish(struct cnn_comm *comm, int exit_code);
// Ends every rank of the job with this exit code, after an error only this rank has seen, this thread's last
// one, which the other ranks learn. Does not return.
_Noreturn void cnn_comm_abort(struct cnn_comm *comm, int exit_code);

int cnn_comm_rank(const struct cnn_comm *comm);
int cnn_comm_size(const struct cnn_comm *comm);
int cnn_comm_local_rank(const struct cnn_comm *comm); // among the ranks of this host
int cnn_comm_local_size(const struct cnn_comm *comm);
int cnn_comm_hosts(const struct cnn_comm *comm); // number of hosts
const char *cnn_comm_host(const struct cnn_comm *comm);
// On rank 0: the hosts and the ranks on each, "node1 0-3, node2 4-7"; what does not fit is cut. Collective.
enum cnn_status cnn_comm_name_hosts(struct cnn_comm *comm, char *out, size_t bytes) CNN_MUST_CHECK;
const char *cnn_comm_name(const struct cnn_comm *comm);     // "self", "mpi"
const char *cnn_comm_library(const struct cnn_comm *comm);  // "Open MPI 4.1.4"
const char *cnn_comm_launcher(const struct cnn_comm *comm); // "mpirun", "PMIx"; NULL: nothing started this
bool cnn_comm_threads(const struct cnn_comm *comm);         // two threads may talk at once

// An exchange of gradients failed: ranks are out of step, and nothing collective works any more.
bool cnn_comm_is_broken(const struct cnn_comm *comm);

// ---- waiting. No rank waits for another one for ever: after a tenth of the limit rank 0 logs whom the ranks
// wait for ("waiting 60 s for rank 37 on node12, in evaluation"), and at the limit the job ends on all ranks
// with such a message. A rank that is busy with a long task keeps the others waiting for up to 10 limits.
// None of these is collective; all may be called from any thread.

enum cnn_stage {
    CNN_STAGE_START_UP,
    CNN_STAGE_STEP,
    CNN_STAGE_SYNC_BATCH_NORM,
    CNN_STAGE_EVALUATION,
    CNN_STAGE_SAVING,
    CNN_STAGE_END,
    CNN_STAGE_COMMAND, // what is none of these
};
void cnn_comm_set_timeout(struct cnn_comm *comm, double timeout_s);
// What this rank does from here on, for messages. step < 0: none.
void cnn_comm_set_stage(struct cnn_comm *comm, enum cnn_stage stage, int64_t step);
// This rank begins something that may take long while the others wait: "saving a checkpoint" (static). NULL:
// it is done. Calling it again with a task gives that task its time anew.
void cnn_comm_set_task(struct cnn_comm *comm, const char *task);
// The task, if there is one, advances: its time begins anew.
void cnn_comm_renew_task(struct cnn_comm *comm);

// Called on a thread of comm's; NULL: nobody listens.
struct cnn_comm_listener {
    void *context;
    // The job ends, or may end at any moment, for this reason, and the thread that waits has not returned.
    void (*lost)(void *context, const char *reason);
    const char *(*asked_to_stop)(void *context); // "received SIGTERM"; NULL: it was not. May itself be NULL
};
// After it returns the listener before it is not called any more.
void cnn_comm_set_listener(struct cnn_comm *comm, const struct cnn_comm_listener *listener);
// After CNN_ERR_COMM: another rank found the reason and reports it.
bool cnn_comm_was_told(const struct cnn_comm *comm);

// The most that the ranks of one host take of /dev/shm to add gradients; containers often have 64 MB.
#define CNN_COMM_SHARED_BYTES ((size_t)32 << 20)

// Control traffic: small, blocking, collective over all ranks, in the same order on all. Sums have the same
// bits on every rank. While waiting they sleep instead of spinning, so that compute threads of other ranks on
// the host keep their processors. One thread at a time, beside the reducer's. After an exchange that failed
// they return CNN_ERR_COMM at once.
enum cnn_status cnn_comm_allreduce(struct cnn_comm *comm, void *data, size_t n, enum cnn_comm_type type,
                                   enum cnn_reduce op) CNN_MUST_CHECK;
enum cnn_status cnn_comm_broadcast(struct cnn_comm *comm, void *data, size_t bytes, int root) CNN_MUST_CHECK;
enum cnn_status cnn_comm_gather(struct cnn_comm *comm, const void *data, size_t bytes, void *out,
                                int root) CNN_MUST_CHECK; // out: size * bytes on root
enum cnn_status cnn_comm_barrier(struct cnn_comm *comm) CNN_MUST_CHECK;

// Makes all ranks agree on a status: if any rank passes an error, every rank returns an error: the failing
// rank its own, the others the first failing rank's message behind "rank R: ". Collective.
enum cnn_status cnn_comm_agree(struct cnn_comm *comm, enum cnn_status mine) CNN_MUST_CHECK;

#endif
