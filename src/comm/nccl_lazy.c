// NCCL's functions under their own names, passed on to its library: the program starts where that is missing.
// The compiler holds each to NCCL's header, the linker says where one is missing here.
#include "comm/nccl_lazy.h"

#include "base/shared_library.h"

#include <nccl.h>
#include <stdatomic.h>
#include <stddef.h>

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

static struct cnn_shared_library nccl =
    CNN_SHARED_LIBRARY("NCCL", "libnccl.so." TEXT(NCCL_MAJOR), CNN_NCCL_LIBRARY);

enum cnn_status cnn_nccl_load(void) { return cnn_shared_library_open(&nccl); }

#define CALL(type, name, parameters, arguments, otherwise)                                                   \
    __attribute__((visibility("hidden"))) type name parameters {                                             \
        static _Atomic(void *) known;                                                                        \
        void *function = atomic_load_explicit(&known, memory_order_relaxed);                                 \
        if (!function) {                                                                                     \
            function = cnn_shared_library_find(&nccl, #name);                                                \
            atomic_store_explicit(&known, function, memory_order_relaxed);                                   \
        }                                                                                                    \
        return function ? ((__typeof__(&name))function)arguments : (otherwise);                              \
    }
#define NCCL(name, parameters, arguments) CALL(ncclResult_t, name, parameters, arguments, ncclInternalError)

// The header declares these two without their parameters.
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);

// clang-format off
CALL(const char *, ncclGetErrorString, (ncclResult_t result), (result), "no NCCL")
CALL(const char *, ncclGetLastError, (ncclComm_t comm), (comm), "")
NCCL(ncclGetVersion, (int *out), (out))
NCCL(ncclGetUniqueId, (ncclUniqueId *out), (out))
NCCL(ncclCommInitRankConfig, (ncclComm_t *out, int size, ncclUniqueId id, int rank, ncclConfig_t *config),
     (out, size, id, rank, config))
NCCL(ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t *out), (comm, out))
NCCL(ncclCommFinalize, (ncclComm_t comm), (comm))
NCCL(ncclCommDestroy, (ncclComm_t comm), (comm))
NCCL(ncclCommAbort, (ncclComm_t comm), (comm))
NCCL(ncclGroupStart, (void), ())
NCCL(ncclGroupEnd, (void), ())
NCCL(ncclAllReduce,
     (const void *in, void *out, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream),
     (in, out, n, type, op, comm, stream))
