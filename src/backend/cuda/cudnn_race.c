#include "backend/cuda/cudnn_walk.h"
#include "base/memory.h"

#define CANDIDATES 6 // timed in each form
#define COMPILED 3   // of them at most, where each has to be compiled first
#define RUNS 4       // of each, the first one not counted

struct race {
    struct cnn_cuda *cuda;
    cudaEvent_t begin, end;
    struct cnn_cudnn_memory memory;
    void *block, *sums; // all of the memory; in it, scratch of a norm that sums
    struct cnn_conv_engine best;
    float best_ms;
    int seen;
};

// Bytes that are filled before the clock starts: meanwhile the host queues what is timed, so that no launch
// is in the time, and every engine begins with the same cache.
#define HEAD_START ((size_t)128 << 20)
// Values are small numbers in every type: their products neither vanish nor overflow.
#define FILL 0x2c

static size_t rows_of(const struct cnn_conv_product *product) {
    const struct cnn_cudnn_dims *d = &product->shape.out;
    return (size_t)d->n * (size_t)d->h * (size_t)d->w;
}

static enum cnn_status race_begin(struct race *race, const struct cnn_conv_product *product) {
    size_t at[CNN_CUDNN_N_SLOTS], bytes = 0;
    for (int slot = CNN_CUDNN_IN; slot < CNN_CUDNN_N_SLOTS; slot++) {
        at[slot] = bytes;
        bytes += cnn_align_up(cnn_conv_slot_bytes(product, (enum cnn_cudnn_slot)slot), 256);
    }
    const size_t sums_at = bytes;
    bytes += cnn_cuda_sum_rows_scratch(race->cuda, rows_of(product), product->shape.out.c);
    bytes = bytes > HEAD_START ? bytes : HEAD_START;
    CNN_CUDA_TRY(cudaEventCreate(&race->begin), "timing engines");
    CNN_CUDA_TRY(cudaEventCreate(&race->end), "timing engines");
    CNN_CUDA_TRY(cudaMalloc(&race->block, bytes), "timing engines");
    CNN_CUDA_TRY(cudaMemsetAsync(race->block, FILL, bytes, race->cuda->compute), "timing engines");
    for (int slot = CNN_CUDNN_IN; slot < CNN_CUDNN_N_SLOTS; slot++)
        if (cnn_conv_slot_bytes(product, (enum cnn_cudnn_slot)slot))
            race->memory.at[slot] = (char *)race->block + at[slot];
    race->sums = (char *)race->block + sums_at;
    return CNN_OK;
}

static void race_end(struct race *race) {
    cnn_conv_engine_finish(&race->best);
    cudaFree(race->block);
    if (race->end)
        cudaEventDestroy(race->end);
    if (race->begin)
        cudaEventDestroy(race->begin);
}

// Moments that are left over are found by the norm that wants them, in a pass like this one.
static enum cnn_status run_whole(struct race *race, struct cnn_conv_engine *engine, void *workspace) {
    const struct cnn_conv_product *product = &engine->product;
    CNN_TRY(cnn_conv_engine_run(engine, race->cuda, &race->memory, workspace, "timing engines"));
    return product->wanted & ~engine->with & CNN_CONV_MOMENTS
               ? cnn_cuda_sum_rows(race->cuda, race->memory.at[CNN_CUDNN_SUM], product->shape.type,
                                   race->memory.at[CNN_CUDNN_OUT], rows_of(product), product->shape.out.c,
                                   false, race->sums)
               : CNN_OK;
}

static enum cnn_status time_once(struct race *race, struct cnn_conv_engine *engine, void *workspace,
                                 float *ms) {
    cudaStream_t stream = race->cuda->compute;
    CNN_CUDA_TRY(cudaMemsetAsync(race->block, FILL, HEAD_START, stream), "timing engines");
    CNN_CUDA_TRY(cudaEventRecord(race->begin, stream), "timing engines");
    CNN_TRY(run_whole(race, engine, workspace));
    CNN_CUDA_TRY(cudaEventRecord(race->end, stream), "timing engines");
    CNN_CUDA_TRY(cudaEventSynchronize(race->end), "timing engines");
    return cnn_cuda_check(cudaEventElapsedTime(ms, race->begin, race->end), "timing engines");
}

static enum cnn_status time_engine(struct race *race, struct cnn_conv_engine *engine, float *best_ms) {
    void *workspace = NULL;
    float ms = 0;
    CNN_CUDA_TRY(cudaMalloc(&workspace, engine->plan.workspace_bytes + 1), "timing engines");
    enum cnn_status status = CNN_OK;
    for (int i = 0; i < RUNS && status == CNN_OK; i++) {
        status = time_once(race, engine, workspace, &ms);
        if (i == 1 || (i > 1 && ms < *best_ms))
            *best_ms = ms;
    }
    cudaFree(workspace);
    return status;
}

// What fails or has no room does not win. What breaks the device ends the race, or the engine to blame would
// be hidden.
static enum cnn_status let_run(void *context, struct cnn_conv_engine *engine, bool *enough) {
    struct race *race = context;
    float ms = 0;
    if (time_engine(race, engine, &ms) != CNN_OK)
        return cnn_cuda_check(cudaStreamSynchronize(race->cuda->compute), engine->plan.tag);
    if (!race->best.plan.plan || ms < race->best_ms) {
        race->best_ms = ms;
        cnn_conv_engine_take(&race->best, engine);
    }
    *enough = ++race->seen == CANDIDATES;
    return CNN_OK;
}

static enum cnn_status run_race(struct race *race, const struct cnn_cudnn_target *target,
                                const struct cnn_cudnn_rules *rules, const struct cnn_conv_product *product) {
    struct cnn_engine_walk walk = {.target = target,
                                   .rules = rules,
                                   .product = product,
                                   .visit = let_run,
                                   .context = race,
                                   .most_compiled = COMPILED};
    unsigned forms[CNN_CONV_MAX_FORMS];
    const int n = cnn_conv_forms(forms, product);
    for (int i = 0; i < n; i++) {
        bool enough = false;
        race->seen = 0;
        CNN_TRY(cnn_engine_walk_form(&walk, forms[i], &enough));
    }
    return CNN_OK;
}

enum cnn_status cnn_cudnn_fastest(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                  const struct cnn_cudnn_target *target, const struct cnn_cudnn_rules *rules,
                                  const struct cnn_conv_product *product) {
    struct race race = {.cuda = cuda};
    enum cnn_status status = CNN_OK;
    if (race_begin(&race, product) == CNN_OK)
        status = run_race(&race, target, rules, product);
    if (status == CNN_OK && race.best.plan.plan)
        cnn_conv_engine_take(out, &race.best);
    race_end(&race);
    return status;
}
