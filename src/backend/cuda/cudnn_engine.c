#include "backend/cuda/cudnn_engine.h"
#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NOTES 16
#define MAX_KNOBS 48

// ---- what an engine is ----

struct notes {
    cudnnBackendNumericalNote_t list[MAX_NOTES];
    int64_t n;
};

static bool notes_have(const struct notes *notes, cudnnBackendNumericalNote_t note) {
    for (int64_t i = 0; i < notes->n; i++)
        if (notes->list[i] == note)
            return true;
    return false;
}

// Tensor cores multiply fp32 as tf32, and transforms round more than 1e-5; sums in 16 bits are too coarse for
// any training.
static bool breaks_rules(const struct notes *notes, const struct cnn_cudnn_rules *rules) {
    if (rules->deterministic && notes_have(notes, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC))
        return true;
    if (notes_have(notes, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
        return true;
    return rules->exact &&
           (notes_have(notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) ||
            notes_have(notes, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) ||
            notes_have(notes, CUDNN_NUMERICAL_NOTE_FFT) || notes_have(notes, CUDNN_NUMERICAL_NOTE_WINOGRAD));
}

static cudnnStatus_t get_knob(cudnnBackendDescriptor_t choice, int64_t *type, int64_t *value) {
    cudnnBackendKnobType_t knob = 0;
    int64_t got = 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
                                                    CUDNN_TYPE_KNOB_TYPE, 1, &got, &knob);
    *type = (int64_t)knob;
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1,
                                          &got, value);
    return status;
}

static cudnnStatus_t tag_knobs(char *tag, cudnnBackendDescriptor_t config) {
    cudnnBackendDescriptor_t choices[MAX_KNOBS] = {NULL};
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    int64_t n = 0;
    for (int i = 0; i < MAX_KNOBS && status == CUDNN_STATUS_SUCCESS; i++)
        status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &choices[i]);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_KNOBS, &n, choices);
    n = n < MAX_KNOBS ? n : MAX_KNOBS; // cuDNN may count more than it gives
    for (int64_t i = 0; i < n && status == CUDNN_STATUS_SUCCESS; i++) {
        int64_t type = 0, value = 0;
        status = get_knob(choices[i], &type, &value);
        const size_t used = strlen(tag);
        snprintf(tag + used, CNN_CUDNN_TAG_BYTES - used, "%c%" PRId64 "=%" PRId64, i ? ',' : ':', type,
                 value);
    }
    for (int i = 0; i < MAX_KNOBS && choices[i]; i++)
        cudnnBackendDestroyDescriptor(choices[i]);
    return status;
}

static cudnnStatus_t ask_behaviour(bool *compiled, cudnnBackendDescriptor_t engine) {
    cudnnBackendBehaviorNote_t list[MAX_NOTES];
    int64_t n = 0;
    const cudnnStatus_t status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                          CUDNN_TYPE_BEHAVIOR_NOTE, MAX_NOTES, &n, list);
    *compiled = false;
    for (int64_t i = 0; status == CUDNN_STATUS_SUCCESS && i < n && i < MAX_NOTES; i++)
        *compiled = *compiled || list[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return status;
}

static cudnnStatus_t describe(struct cnn_cudnn_engine *out, struct notes *notes) {
    cudnnBackendDescriptor_t engine = NULL, config = out->config;
    int64_t got = 0, number = 0;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                          1, &got, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &got,
                                          &number);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                          MAX_NOTES, &notes->n, notes->list);
    notes->n = notes->n < MAX_NOTES ? notes->n : MAX_NOTES;
    if (status == CUDNN_STATUS_SUCCESS)
        status = ask_behaviour(&out->compiled, engine);
    snprintf(out->tag, sizeof out->tag, "%" PRId64, number);
    if (engine)
        cudnnBackendDestroyDescriptor(engine);
    return status == CUDNN_STATUS_SUCCESS ? tag_knobs(out->tag, config) : status;
}

// ---- which engines there are ----

static cudnnStatus_t ask(cudnnBackendDescriptor_t *out, const struct cnn_cudnn_graph *g,
                         cudnnBackendHeurMode_t mode) {
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, out);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->whole);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (status == CUDNN_STATUS_SUCCESS && !g->target->handle)
        status = cudnnBackendSetAttribute(*out, g->target->heuristics_take, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                          &g->target->description);
    return status == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(*out) : status;
}

static bool is_listed(const struct cnn_cudnn_engines *engines, const char *tag) {
    for (int i = 0; i < engines->n; i++)
        if (strcmp(engines->list[i].tag, tag) == 0)
            return true;
    return false;
}

// Takes the config over, into the list or away: what does not say what it is is of no use.
static void list_config(struct cnn_cudnn_engines *engines, cudnnBackendDescriptor_t config,
                        const struct cnn_cudnn_rules *rules) {
    struct cnn_cudnn_engine *next = &engines->list[engines->n];
    struct notes notes = {.n = 0};
    next->config = config;
    const cudnnStatus_t status = describe(next, &notes);
    if (status == CUDNN_STATUS_SUCCESS && !breaks_rules(&notes, rules) && !is_listed(engines, next->tag)) {
        engines->n++;
        return;
    }
    cudnnBackendDestroyDescriptor(config);
}

static enum cnn_status list_answers(struct cnn_cudnn_engines *engines, cudnnBackendDescriptor_t heuristics,
                                    cudnnBackendDescriptor_t *configs, int64_t n,
                                    const struct cnn_cudnn_rules *rules) {
    int64_t made = 0, got = 0, listed = 0;
    cudnnStatus_t error = CUDNN_STATUS_SUCCESS;
    while (made < n && error == CUDNN_STATUS_SUCCESS) {
        error = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[made]);
        made += error == CUDNN_STATUS_SUCCESS;
    }
    if (error == CUDNN_STATUS_SUCCESS)
        error = cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, n, &got, configs);
    const enum cnn_status status = cnn_cudnn_check(error, "listing engines");
    while (status == CNN_OK && listed < got && listed < made)
        list_config(engines, configs[listed++], rules);
    while (listed < made)
        cudnnBackendDestroyDescriptor(configs[listed++]);
    return status;
}

static enum cnn_status grow(struct cnn_cudnn_engines *engines, int64_t by) {
    struct cnn_cudnn_engine *list = NULL;
    CNN_TRY(cnn_calloc(&list, (size_t)(engines->n + by), sizeof *list));
    if (engines->n)
        memcpy(list, engines->list, (size_t)engines->n * sizeof *list);
    free(engines->list);
    engines->list = list;
    return CNN_OK;
}

static enum cnn_status list_mode(struct cnn_cudnn_engines *engines, const struct cnn_cudnn_graph *g,
                                 cudnnBackendHeurMode_t mode, const struct cnn_cudnn_rules *rules) {
    cudnnBackendDescriptor_t heuristics = NULL, *configs = NULL;
    int64_t n = 0;
    cudnnStatus_t error = ask(&heuristics, g, mode);
    if (error == CUDNN_STATUS_SUCCESS)
        error = cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &n, NULL);
    enum cnn_status status = cnn_cudnn_check_support(error, "asking for engines");
    if (status == CNN_OK && n > 0) {
        status = grow(engines, n);
        if (status == CNN_OK)
            status = cnn_calloc(&configs, (size_t)n, sizeof(cudnnBackendDescriptor_t));
        if (status == CNN_OK)
            status = list_answers(engines, heuristics, configs, n, rules);
    }
    free(configs);
    if (heuristics)
        cudnnBackendDestroyDescriptor(heuristics);
    return status;
}

// A mode that knows nothing of a graph says so with an error, which counts where the other has no engine
// either.
enum cnn_status cnn_cudnn_engines_create(struct cnn_cudnn_engines *out, const struct cnn_cudnn_graph *graph,
                                         const struct cnn_cudnn_rules *rules) {
    struct cnn_cudnn_engines engines = {0};
    const enum cnn_status first = list_mode(&engines, graph, CUDNN_HEUR_MODE_A, rules);
    const enum cnn_status status = list_mode(&engines, graph, CUDNN_HEUR_MODE_FALLBACK, rules);
    if (engines.n == 0 && (first != CNN_OK || status != CNN_OK)) {
        cnn_cudnn_engines_finish(&engines);
        return status != CNN_OK ? status : first;
    }
    *out = engines;
    return CNN_OK;
}

void cnn_cudnn_engines_finish(struct cnn_cudnn_engines *engines) {
    for (int i = 0; i < engines->n; i++)
        cudnnBackendDestroyDescriptor(engines->list[i].config);
    free(engines->list);
    *engines = (struct cnn_cudnn_engines){0};
}

// ---- plans ----

// From an engine or, where `text` is not NULL, from a plan's text.
static cudnnStatus_t make_plan(struct cnn_cudnn_plan *plan, const struct cnn_cudnn_target *target,
                               const struct cnn_cudnn_engine *engine, const char *text, size_t bytes) {
    int64_t got = 0, workspace = 0;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan);
    if (status == CUDNN_STATUS_SUCCESS && target->handle)
        status = cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                          &target->handle);
    else if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(plan->plan, target->plan_takes, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                          &target->description);
    if (status == CUDNN_STATUS_SUCCESS && text)
        status = cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                          CUDNN_TYPE_CHAR, (int64_t)bytes, text);
    else if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine->config);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendFinalize(plan->plan);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                          CUDNN_TYPE_INT64, 1, &got, &workspace);
    plan->workspace_bytes = (size_t)workspace;
    return status;
}

enum cnn_status cnn_cudnn_plan_create(struct cnn_cudnn_plan *out, const struct cnn_cudnn_target *target,
                                      const struct cnn_cudnn_engine *engine,
                                      const struct cnn_cudnn_rules *rules, const char *text, size_t bytes) {
    struct cnn_cudnn_plan plan = {0};
    enum cnn_status status =
        cnn_cudnn_check_support(make_plan(&plan, target, engine, text, bytes), engine->tag);
    if (status == CNN_OK && plan.workspace_bytes > rules->workspace_bytes)
        status = cnn_fail(CNN_ERR_UNSUPPORTED, "engine %s wants %zu bytes of workspace", engine->tag,
                          plan.workspace_bytes);
    if (status != CNN_OK) {
        cnn_cudnn_plan_finish(&plan);
        return status;
    }
    memcpy(plan.tag, engine->tag, sizeof plan.tag);
    plan.compiled = engine->compiled && !text;
    *out = plan;
    return CNN_OK;
}

enum cnn_status cnn_cudnn_plan_save(char **out, size_t *out_bytes, const struct cnn_cudnn_plan *plan) {
    const cudnnBackendAttributeName_t json = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
    char *text = NULL;
    int64_t bytes = 0, got = 0;
    CNN_TRY(cnn_cudnn_check(cudnnBackendGetAttribute(plan->plan, json, CUDNN_TYPE_CHAR, 0, &bytes, NULL),
                            plan->tag));
    CNN_TRY(cnn_malloc(&text, (size_t)bytes + 1, 1));
    const enum cnn_status status = cnn_cudnn_check(
        cudnnBackendGetAttribute(plan->plan, json, CUDNN_TYPE_CHAR, bytes, &got, text), plan->tag);
    if (status != CNN_OK) {
        free(text);
        return status;
    }
    *out = text;
    *out_bytes = (size_t)(got < bytes ? got : bytes);
    return CNN_OK;
}

void cnn_cudnn_plan_finish(struct cnn_cudnn_plan *plan) {
    if (plan->pack)
        cudnnBackendDestroyDescriptor(plan->pack);
    if (plan->plan)
        cudnnBackendDestroyDescriptor(plan->plan);
    *plan = (struct cnn_cudnn_plan){0};
}

static cudnnStatus_t pack_memory(cudnnBackendDescriptor_t *out, const struct cnn_cudnn_memory *memory,
                                 void *workspace) {
    int64_t ids[CNN_CUDNN_N_SLOTS], n = 0;
    void *pointers[CNN_CUDNN_N_SLOTS];
    for (int slot = 1; slot < CNN_CUDNN_N_SLOTS; slot++)
        if (memory->at[slot]) {
            ids[n] = slot;
            pointers[n++] = memory->at[slot];
        }
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, out);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n,
                                          pointers);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                          &workspace);
    return status == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(*out) : status;
}

static cudnnStatus_t take_memory(struct cnn_cudnn_plan *plan, const struct cnn_cudnn_memory *memory,
                                 void *workspace) {
    if (plan->pack && plan->workspace == workspace && memcmp(&plan->memory, memory, sizeof *memory) == 0)
        return CUDNN_STATUS_SUCCESS;
    if (plan->pack)
        cudnnBackendDestroyDescriptor(plan->pack);
    plan->pack = NULL;
    plan->memory = *memory;
    plan->workspace = workspace;
    const cudnnStatus_t status = pack_memory(&plan->pack, memory, workspace);
    if (status != CUDNN_STATUS_SUCCESS && plan->pack) {
        cudnnBackendDestroyDescriptor(plan->pack);
        plan->pack = NULL;
    }
    return status;
}

enum cnn_status cnn_cudnn_plan_run(struct cnn_cudnn_plan *plan, cudnnHandle_t handle,
                                   const struct cnn_cudnn_memory *memory, void *workspace, const char *what) {
    CNN_TRY(cnn_cudnn_check(take_memory(plan, memory, workspace), what));
    return cnn_cudnn_check(cudnnBackendExecute(handle, plan->plan, plan->pack), what);
}
