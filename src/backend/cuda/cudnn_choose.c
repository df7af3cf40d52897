#include "backend/cuda/cudnn_choose.h"
#include "backend/cuda/engine_cache.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES 6 // timed in each form
#define RUNS 4       // of each, the first one not counted
#define MOST_WORKSPACE ((size_t)1 << 30)

struct cnn_cudnn_chooser {
    struct cnn_engine_cache *cache; // NULL: nothing is timed
    struct cnn_cudnn_target target;
    struct cnn_cudnn_rules rules;
    cudaEvent_t begin, end;
    char place[160]; // device, driver and library: first part of a key
    bool told;
};

// ---- candidates of one form ----

// Goes through the engines of a form in order, making each one ready, until `visit` has had enough.
typedef enum cnn_status (*visitor)(void *context, struct cnn_conv_engine *engine, bool *enough);

struct walk {
    const struct cnn_cudnn_target *target;
    const struct cnn_cudnn_rules *rules;
    const struct cnn_conv_product *product;
    const char *tag; // only this engine, where not NULL
    visitor visit;
    void *context;
    struct cnn_error trouble; // the first that was more than "not supported"
};

// One engine, or form, that does not work does not stand in the way of others.
static void pass_over(struct walk *walk, enum cnn_status status) {
    if (status != CNN_ERR_UNSUPPORTED && walk->trouble.status == CNN_OK)
        cnn_error_take(&walk->trouble, status);
}

// The visitor may keep the plan by clearing it.
static enum cnn_status visit_engine(struct walk *walk, const struct cnn_cudnn_engine *engine, unsigned with,
                                    bool *enough) {
    struct cnn_conv_engine made = {.product = *walk->product, .with = with};
    if (walk->tag && strcmp(walk->tag, engine->tag) != 0)
        return CNN_OK;
    enum cnn_status status = cnn_cudnn_plan_create(&made.plan, walk->target, engine, walk->rules);
    if (status != CNN_OK) {
        pass_over(walk, status);
        return CNN_OK;
    }
    status = walk->visit(walk->context, &made, enough);
    cnn_conv_engine_finish(&made);
    return status;
}

static enum cnn_status walk_form(struct walk *walk, unsigned with, bool *enough) {
    struct cnn_cudnn_graph graph;
    struct cnn_cudnn_engines engines = {0};
    const struct cnn_conv_product *p = walk->product;
    enum cnn_status status = cnn_conv_graph_build(&graph, walk->target, &p->shape, p->pass, with);
    if (status == CNN_OK)
        status = cnn_cudnn_engines_create(&engines, &graph, walk->rules);
    if (status != CNN_OK) {
        pass_over(walk, status); // there are no engines then
        status = CNN_OK;
    }
    for (int i = 0; status == CNN_OK && i < engines.n && !*enough; i++)
        status = visit_engine(walk, &engines.list[i], with, enough);
    cnn_cudnn_engines_finish(&engines);
    cnn_cudnn_graph_finish(&graph);
    return status;
}

static void keep(struct cnn_conv_engine *out, struct cnn_conv_engine *from) {
    cnn_conv_engine_finish(out);
    *out = *from;
    from->plan = (struct cnn_cudnn_plan){0};
}

// ---- the first that works ----

static enum cnn_status take_first(void *context, struct cnn_conv_engine *engine, bool *enough) {
    keep(context, engine);
    *enough = true;
    return CNN_OK;
}

static enum cnn_status first_of_forms(struct cnn_conv_engine *out, struct walk *walk) {
    unsigned forms[CNN_CONV_MAX_FORMS];
    const int n = cnn_conv_forms(forms, walk->product);
    bool found = false;
    walk->visit = take_first;
    walk->context = out;
    for (int i = 0; i < n && !found; i++)
        CNN_TRY(walk_form(walk, forms[i], &found));
    return found ? CNN_OK : CNN_ERR_UNSUPPORTED;
}

// An engine that wants much memory is better than none.
enum cnn_status cnn_cudnn_choose_first(struct cnn_conv_engine *out, const struct cnn_cudnn_target *target,
                                       const struct cnn_cudnn_rules *rules,
                                       const struct cnn_conv_product *product) {
    struct cnn_conv_engine engine = {0};
    struct cnn_cudnn_rules loose = *rules;
    struct walk walk = {.target = target, .rules = rules, .product = product};
    char text[200];
    enum cnn_status status = first_of_forms(&engine, &walk);
    if (status == CNN_ERR_UNSUPPORTED) {
        loose.workspace_bytes = SIZE_MAX;
        walk.rules = &loose;
        status = first_of_forms(&engine, &walk);
    }
    if (status == CNN_OK) {
        *out = engine;
        return CNN_OK;
    }
    cnn_conv_shape_text(text, sizeof text, &product->shape);
    if (status == CNN_ERR_UNSUPPORTED && walk.trouble.status != CNN_OK)
        return cnn_fail(walk.trouble.status, "no engine of cuDNN works for this convolution (%s): %s", text,
                        walk.trouble.message);
    return status != CNN_ERR_UNSUPPORTED
               ? status
               : cnn_fail(
                     status,
                     "cuDNN has no engine for this convolution (%s)%s; use another number of channels or "
                     "groups, another train.precision, or backend: cpu",
                     text, rules->deterministic ? ", or none that is deterministic" : "");
}

// ---- the fastest ----

struct race {
    struct cnn_cuda *cuda;
    struct cnn_cudnn_chooser *chooser;
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
    const struct cnn_cudnn_chooser *chooser = race->chooser;
    cudaStream_t stream = race->cuda->compute;
    CNN_CUDA_TRY(cudaMemsetAsync(race->block, FILL, HEAD_START, stream), "timing engines");
    CNN_CUDA_TRY(cudaEventRecord(chooser->begin, stream), "timing engines");
    CNN_TRY(run_whole(race, engine, workspace));
    CNN_CUDA_TRY(cudaEventRecord(chooser->end, stream), "timing engines");
    CNN_CUDA_TRY(cudaEventSynchronize(chooser->end), "timing engines");
    return cnn_cuda_check(cudaEventElapsedTime(ms, chooser->begin, chooser->end), "timing engines");
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
        keep(&race->best, engine);
    }
    *enough = ++race->seen == CANDIDATES;
    return CNN_OK;
}

static enum cnn_status run_race(struct race *race, const struct cnn_conv_product *product) {
    struct walk walk = {&race->chooser->target, &race->chooser->rules, product, NULL, let_run, race, {0}};
    unsigned forms[CNN_CONV_MAX_FORMS];
    const int n = cnn_conv_forms(forms, product);
    for (int i = 0; i < n; i++) {
        bool enough = false;
        race->seen = 0;
        CNN_TRY(walk_form(&walk, forms[i], &enough));
    }
    return CNN_OK;
}

// Where the memory is too small for a race nothing wins, and *out stays empty.
static enum cnn_status find_fastest(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                    const struct cnn_conv_product *product) {
    struct race race = {.cuda = cuda, .chooser = cuda->chooser};
    enum cnn_status status = CNN_OK;
    if (race_begin(&race, product) == CNN_OK)
        status = run_race(&race, product);
    if (status == CNN_OK && race.best.plan.plan)
        keep(out, &race.best);
    race_end(&race);
    return status;
}

// ---- remembered ones ----

// "5/62:2=3": what the engine does after the product, and its tag.
static void format_engine(char out[CNN_ENGINE_CACHE_ENGINE_BYTES], const struct cnn_conv_engine *engine) {
    snprintf(out, CNN_ENGINE_CACHE_ENGINE_BYTES, "%u/%.180s", engine->with, engine->plan.tag);
}

static enum cnn_status find_remembered(struct cnn_conv_engine *out, struct cnn_cudnn_chooser *chooser,
                                       const struct cnn_conv_product *product, const char *key) {
    const char *text = cnn_engine_cache_find(chooser->cache, key), *tag = text ? strchr(text, '/') : NULL;
    unsigned with = 0, forms[CNN_CONV_MAX_FORMS];
    bool found = false;
    if (!tag || sscanf(text, "%u/", &with) != 1)
        return CNN_OK;
    struct walk walk = {&chooser->target, &chooser->rules, product, tag + 1, take_first, out, {0}};
    const int n = cnn_conv_forms(forms, product);
    for (int i = 0; i < n && !found; i++)
        if (forms[i] == with)
            CNN_TRY(walk_form(&walk, with, &found));
    return CNN_OK;
}

static void make_key(char out[CNN_ENGINE_CACHE_KEY_BYTES], const struct cnn_cudnn_chooser *chooser,
                     const struct cnn_conv_product *product) {
    char form[CNN_CONV_FORM_BYTES], shape[200];
    cnn_conv_form_name(form, product->pass, product->wanted);
    cnn_conv_shape_text(shape, sizeof shape, &product->shape);
    snprintf(out, CNN_ENGINE_CACHE_KEY_BYTES, "%s, %s%s%s %s", chooser->place, form,
             chooser->rules.exact ? " exact" : "", chooser->rules.deterministic ? " deterministic" : "",
             shape);
}

// The fastest is kept, in place of `refused` where that one no longer works. Another process may have kept a
// different one meanwhile: then that is taken, so that runs repeat. What was not timed is for this run only.
static enum cnn_status measure(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                               const struct cnn_conv_product *product, const char *key, const char *refused) {
    struct cnn_cudnn_chooser *chooser = cuda->chooser;
    char text[CNN_ENGINE_CACHE_ENGINE_BYTES];
    if (!chooser->told)
        cnn_log_info("engines    timing cuDNN's ways to compute this network's convolutions; once for each "
                     "shape and device");
    chooser->told = true;
    CNN_TRY(find_fastest(out, cuda, product));
    if (!out->plan.plan)
        return cnn_cudnn_choose_first(out, &chooser->target, &chooser->rules, product);
    format_engine(text, out);
    CNN_TRY(cnn_engine_cache_keep(chooser->cache, key, text, refused));
    return strcmp(cnn_engine_cache_find(chooser->cache, key), text) == 0
               ? CNN_OK
               : find_remembered(out, chooser, product, key);
}

// What is remembered for `key`, or "" for nothing.
static void copy_remembered(char out[CNN_ENGINE_CACHE_ENGINE_BYTES], const struct cnn_cudnn_chooser *chooser,
                            const char *key) {
    const char *text = cnn_engine_cache_find(chooser->cache, key);
    snprintf(out, CNN_ENGINE_CACHE_ENGINE_BYTES, "%s", text ? text : "");
}

// Other processes on this machine that want the same wait for the result instead of timing beside this one.
static enum cnn_status find_or_measure(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                       const struct cnn_conv_product *product) {
    struct cnn_cudnn_chooser *chooser = cuda->chooser;
    char key[CNN_ENGINE_CACHE_KEY_BYTES], refused[CNN_ENGINE_CACHE_ENGINE_BYTES];
    make_key(key, chooser, product);
    CNN_TRY(find_remembered(out, chooser, product, key));
    if (out->plan.plan)
        return CNN_OK;
    cnn_engine_cache_lock(chooser->cache);
    enum cnn_status status = find_remembered(out, chooser, product, key);
    if (status == CNN_OK && !out->plan.plan) {
        copy_remembered(refused, chooser, key);
        status = measure(out, cuda, product, key, refused);
    }
    cnn_engine_cache_unlock(chooser->cache);
    return status;
}

enum cnn_status cnn_cudnn_choose(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                 const struct cnn_conv_product *product, const char *layer) {
    struct cnn_cudnn_chooser *chooser = cuda->chooser;
    struct cnn_conv_engine engine = {0};
    char form[CNN_CONV_FORM_BYTES];
    const enum cnn_status status =
        chooser->cache ? find_or_measure(&engine, cuda, product)
                       : cnn_cudnn_choose_first(&engine, &chooser->target, &chooser->rules, product);
    if (status == CNN_OK) {
        *out = engine;
        return CNN_OK;
    }
    cnn_conv_engine_finish(&engine);
    cnn_conv_form_name(form, product->pass, product->wanted);
    return cnn_fail_in(status, "%s, %s", layer, form);
}

// ---- the chooser ----

static enum cnn_status wants_timing(bool *out) {
    const char *wanted = getenv("CNN_CUDA_ENGINES");
    *out = !wanted || strcmp(wanted, "timed") == 0;
    if (*out || strcmp(wanted, "heuristic") == 0)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT, "CNN_CUDA_ENGINES=%s: there are heuristic and timed", wanted);
}

static enum cnn_status chooser_start(struct cnn_cudnn_chooser *chooser, const struct cnn_cuda *cuda,
                                     const char *device) {
    size_t left = 0, total = 0;
    int driver = 0;
    bool timing = false;
    CNN_TRY(wants_timing(&timing));
    CNN_CUDA_TRY(cudaMemGetInfo(&left, &total), "asking for the device's memory");
    CNN_CUDA_TRY(cudaDriverGetVersion(&driver), "asking for the driver's version");
    chooser->target.handle = cuda->dnn;
    chooser->rules = (struct cnn_cudnn_rules){.exact = cuda->precision == CNN_PRECISION_FP32,
                                              .deterministic = cuda->deterministic,
                                              .workspace_bytes =
                                                  total / 16 < MOST_WORKSPACE ? total / 16 : MOST_WORKSPACE};
    snprintf(chooser->place, sizeof chooser->place, "%.96s, CUDA %d, cuDNN %zu", device, driver,
             cudnnGetVersion());
    if (!timing)
        return CNN_OK;
    CNN_CUDA_TRY(cudaEventCreate(&chooser->begin), "starting the GPU");
    CNN_CUDA_TRY(cudaEventCreate(&chooser->end), "starting the GPU");
    return cnn_engine_cache_create(&chooser->cache, NULL);
}

enum cnn_status cnn_cudnn_chooser_create(struct cnn_cudnn_chooser **out, struct cnn_cuda *cuda,
                                         const char *device) {
    struct cnn_cudnn_chooser *chooser = NULL;
    CNN_TRY(cnn_calloc(&chooser, 1, sizeof *chooser));
    const enum cnn_status status = chooser_start(chooser, cuda, device);
    if (status != CNN_OK) {
        cnn_cudnn_chooser_destroy(chooser);
        return status;
    }
    *out = chooser;
    return CNN_OK;
}

void cnn_cudnn_chooser_destroy(struct cnn_cudnn_chooser *chooser) {
    if (!chooser)
        return;
    if (chooser->end)
        cudaEventDestroy(chooser->end);
    if (chooser->begin)
        cudaEventDestroy(chooser->begin);
    cnn_engine_cache_destroy(chooser->cache);
    free(chooser);
}
