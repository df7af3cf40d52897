#include "backend/cuda/cudnn_choose.h"
#include "backend/cuda/cudnn_walk.h"
#include "backend/cuda/engine_cache.h"
#include "backend/cuda/plan_store.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORKSPACE ((size_t)1 << 30)

struct cnn_cudnn_chooser {
    struct cnn_engine_cache *cache;
    struct cnn_cudnn_target target;
    struct cnn_cudnn_rules rules;
    char place[160]; // device, driver and library: first part of a key
    bool timed, told;
};

// ---- the first that works ----

static enum cnn_status take_first(void *context, struct cnn_conv_engine *engine, bool *enough) {
    cnn_conv_engine_take(context, engine);
    *enough = true;
    return CNN_OK;
}

static enum cnn_status first_of_forms(struct cnn_conv_engine *out, struct cnn_engine_walk *walk) {
    unsigned forms[CNN_CONV_MAX_FORMS];
    const int n = cnn_conv_forms(forms, walk->product);
    bool found = false;
    walk->visit = take_first;
    walk->context = out;
    for (int i = 0; i < n && !found; i++)
        CNN_TRY(cnn_engine_walk_form(walk, forms[i], &found));
    return found ? CNN_OK : CNN_ERR_UNSUPPORTED;
}

// An engine that wants much memory is better than none.
enum cnn_status cnn_cudnn_choose_first(struct cnn_conv_engine *out, const struct cnn_cudnn_target *target,
                                       const struct cnn_cudnn_rules *rules,
                                       const struct cnn_conv_product *product) {
    struct cnn_conv_engine engine = {0};
    struct cnn_cudnn_rules loose = *rules;
    struct cnn_engine_walk walk = {.target = target, .rules = rules, .product = product};
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
        return cnn_fail(walk.trouble.status, "no cuDNN engine works for this convolution (%s): %s", text,
                        walk.trouble.message);
    return status != CNN_ERR_UNSUPPORTED
               ? status
               : cnn_fail(
                     status,
                     "cuDNN has no engine for this convolution (%s)%s; use another number of channels or "
                     "groups, another train.precision, or backend: cpu",
                     text, rules->deterministic ? ", or no deterministic one" : "");
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
    struct cnn_engine_walk walk = {.target = &chooser->target,
                                   .rules = &chooser->rules,
                                   .product = product,
                                   .tag = tag + 1,
                                   .visit = take_first,
                                   .context = out};
    const int n = cnn_conv_forms(forms, product);
    for (int i = 0; i < n && !found; i++)
        if (forms[i] == with)
            CNN_TRY(cnn_engine_walk_form(&walk, with, &found));
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
        cnn_log_info("engines    timing cuDNN engines for the convolutions of this network; done once per "
                     "shape and device");
    chooser->told = true;
    CNN_TRY(cnn_cudnn_fastest(out, cuda, &chooser->target, &chooser->rules, product));
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
        if (status == CNN_OK) // before others look for it
            status = cnn_conv_engine_keep(out, &chooser->target);
    }
    cnn_engine_cache_unlock(chooser->cache);
    return status;
}

enum cnn_status cnn_cudnn_choose(struct cnn_conv_engine *out, struct cnn_cuda *cuda,
                                 const struct cnn_conv_product *product, const char *layer) {
    struct cnn_cudnn_chooser *chooser = cuda->chooser;
    struct cnn_conv_engine engine = {0};
    char form[CNN_CONV_FORM_BYTES];
    enum cnn_status status =
        chooser->timed ? find_or_measure(&engine, cuda, product)
                       : cnn_cudnn_choose_first(&engine, &chooser->target, &chooser->rules, product);
    if (status == CNN_OK)
        status = cnn_conv_engine_keep(&engine, &chooser->target);
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
    return cnn_fail(CNN_ERR_INPUT, "CNN_CUDA_ENGINES=%s: allowed: heuristic and timed", wanted);
}

// Beside the engines; where there is no place for these, in memory.
static enum cnn_status create_plan_store(struct cnn_cudnn_chooser *chooser) {
    const char *folder = cnn_engine_cache_folder(chooser->cache);
    char plans[4096];
    if (folder)
        CNN_TRY(cnn_path_format(plans, sizeof plans, "%s/plans", folder));
    chooser->target.place = chooser->place;
    return cnn_plan_store_create(&chooser->target.plans, folder ? plans : NULL);
}

static enum cnn_status chooser_start(struct cnn_cudnn_chooser *chooser, const struct cnn_cuda *cuda,
                                     const char *device) {
    size_t left = 0, total = 0;
    int driver = 0;
    CNN_TRY(wants_timing(&chooser->timed));
    CNN_CUDA_TRY(cudaMemGetInfo(&left, &total), "asking for the device's memory");
    CNN_CUDA_TRY(cudaDriverGetVersion(&driver), "asking for the driver's version");
    chooser->target.handle = cuda->dnn;
    chooser->rules = (struct cnn_cudnn_rules){.exact = cuda->precision == CNN_PRECISION_FP32,
                                              .deterministic = cuda->deterministic,
                                              .workspace_bytes =
                                                  total / 16 < MOST_WORKSPACE ? total / 16 : MOST_WORKSPACE};
    snprintf(chooser->place, sizeof chooser->place, "%.96s, CUDA %d, cuDNN %zu", device, driver,
             cudnnGetVersion());
    CNN_TRY(cnn_engine_cache_create(&chooser->cache, NULL));
    return create_plan_store(chooser);
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
    cnn_plan_store_destroy(chooser->target.plans);
    cnn_engine_cache_destroy(chooser->cache);
    free(chooser);
}
