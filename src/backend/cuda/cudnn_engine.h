// Engines: cuDNN's ways to compute a graph, in the order its heuristics would try them, those left out whose
// arithmetic is not what was asked for; and plans, engines made ready to run.
#ifndef CNN_BACKEND_CUDA_CUDNN_ENGINE_H
#define CNN_BACKEND_CUDA_CUDNN_ENGINE_H
#include "backend/cuda/cudnn_graph.h"

// What an engine must not do.
struct cnn_cudnn_rules {
    bool exact;             // products of fp32 inputs in fp32: nothing of tensor cores and transforms
    bool deterministic;     // same bits every time
    size_t workspace_bytes; // at most
};

#define CNN_CUDNN_TAG_BYTES 192
struct cnn_cudnn_engine {
    cudnnBackendDescriptor_t config;
    char tag[CNN_CUDNN_TAG_BYTES]; // "62:2=3,14=1": number, then its knobs; the same engine has the same tag
    bool compiled;                 // cuDNN compiles its code for every plan that is created: about a second
};
struct cnn_cudnn_engines {
    struct cnn_cudnn_engine *list;
    int n;
};
// Of a closed graph; may be none. Errors: what cuDNN says where it names none, CNN_ERR_UNSUPPORTED where that
// is only that it cannot. `graph` may be finished afterwards.
enum cnn_status cnn_cudnn_engines_create(struct cnn_cudnn_engines *out, const struct cnn_cudnn_graph *graph,
                                         const struct cnn_cudnn_rules *rules) CNN_MUST_CHECK;
void cnn_cudnn_engines_finish(struct cnn_cudnn_engines *engines);

// Memory by slot, NULL where a plan has no such tensor.
struct cnn_cudnn_memory {
    void *at[CNN_CUDNN_N_SLOTS];
};

struct cnn_cudnn_plan {
    cudnnBackendDescriptor_t plan;
    size_t workspace_bytes;
    char tag[CNN_CUDNN_TAG_BYTES];
    bool compiled; // just now: worth keeping
    // the memory it ran on last, ready for cuDNN: a layer's is always the same
    cudnnBackendDescriptor_t pack;
    struct cnn_cudnn_memory memory;
    void *workspace;
};
// CNN_ERR_UNSUPPORTED where the engine cannot, or wants more workspace than the rules allow. `text`, where
// not NULL, is a plan of this engine as cnn_cudnn_plan_save gave it, for the same device and cuDNN: then
// nothing is compiled. The caller knows that it is whole.
enum cnn_status cnn_cudnn_plan_create(struct cnn_cudnn_plan *out, const struct cnn_cudnn_target *target,
                                      const struct cnn_cudnn_engine *engine,
                                      const struct cnn_cudnn_rules *rules, const char *text,
                                      size_t bytes) CNN_MUST_CHECK;
// The plan as text, code included, malloc'ed.
enum cnn_status cnn_cudnn_plan_save(char **out, size_t *out_bytes,
                                    const struct cnn_cudnn_plan *plan) CNN_MUST_CHECK;
void cnn_cudnn_plan_finish(struct cnn_cudnn_plan *plan); // accepts a zeroed one
// Queued on the handle's stream. `what` names the layer and pass in messages.
enum cnn_status cnn_cudnn_plan_run(struct cnn_cudnn_plan *plan, cudnnHandle_t handle,
                                   const struct cnn_cudnn_memory *memory, void *workspace,
                                   const char *what) CNN_MUST_CHECK;

#endif
