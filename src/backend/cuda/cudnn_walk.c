#include "backend/cuda/cudnn_walk.h"
#include "backend/cuda/plan_store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "NVIDIA H100, ..., fwd+bias+relu bf16 n64 ..., engine 3:24=21"
static void make_key(char out[CNN_PLAN_STORE_KEY_BYTES], const struct cnn_cudnn_target *target,
                     const struct cnn_conv_engine *engine, const char *tag) {
    char form[CNN_CONV_FORM_BYTES], shape[200];
    cnn_conv_form_name(form, engine->product.pass, engine->with);
    cnn_conv_shape_text(shape, sizeof shape, &engine->product.shape);
    snprintf(out, CNN_PLAN_STORE_KEY_BYTES, "%s, graphs %d, %s %s, engine %s", target->place,
             CNN_CUDNN_GRAPHS, form, shape, tag);
}

// One engine, or form, that does not work does not stand in the way of others.
static void pass_over(struct cnn_engine_walk *walk, enum cnn_status status) {
    if (status != CNN_ERR_UNSUPPORTED && walk->trouble.status == CNN_OK)
        cnn_error_take(&walk->trouble, status);
}

// What is kept is restored; a text that cuDNN does not take is compiled anew.
static enum cnn_status make_plan(struct cnn_engine_walk *walk, struct cnn_conv_engine *out,
                                 const struct cnn_cudnn_engine *engine, int *compiled) {
    const struct cnn_cudnn_target *target = walk->target;
    char key[CNN_PLAN_STORE_KEY_BYTES];
    const char *text = NULL;
    size_t bytes = 0;
    if (engine->compiled && target->plans) {
        make_key(key, target, out, engine->tag);
        text = cnn_plan_store_find(target->plans, key, &bytes);
    }
    if (text && cnn_cudnn_plan_create(&out->plan, target, engine, walk->rules, text, bytes) == CNN_OK)
        return CNN_OK;
    if (engine->compiled && walk->most_compiled && *compiled == walk->most_compiled)
        return cnn_fail(CNN_ERR_UNSUPPORTED, "enough engines were compiled");
    CNN_TRY(cnn_cudnn_plan_create(&out->plan, target, engine, walk->rules, NULL, 0));
    *compiled += engine->compiled;
    return CNN_OK;
}

static enum cnn_status visit_engine(struct cnn_engine_walk *walk, const struct cnn_cudnn_engine *engine,
                                    unsigned with, int *compiled, bool *enough) {
    struct cnn_conv_engine made = {.product = *walk->product, .with = with};
    if (walk->tag && strcmp(walk->tag, engine->tag) != 0)
        return CNN_OK;
    enum cnn_status status = make_plan(walk, &made, engine, compiled);
    if (status != CNN_OK) {
        pass_over(walk, status);
        return CNN_OK;
    }
    status = walk->visit(walk->context, &made, enough);
    cnn_conv_engine_finish(&made);
    return status;
}

enum cnn_status cnn_engine_walk_form(struct cnn_engine_walk *walk, unsigned with, bool *enough) {
    struct cnn_cudnn_graph graph;
    struct cnn_cudnn_engines engines = {0};
    int compiled = 0;
    const struct cnn_conv_product *p = walk->product;
    enum cnn_status status = cnn_conv_graph_build(&graph, walk->target, &p->shape, p->pass, with);
    if (status == CNN_OK)
        status = cnn_cudnn_engines_create(&engines, &graph, walk->rules);
    if (status != CNN_OK) {
        pass_over(walk, status); // there are no engines then
        status = CNN_OK;
    }
    for (int i = 0; status == CNN_OK && i < engines.n && !*enough; i++)
        status = visit_engine(walk, &engines.list[i], with, &compiled, enough);
    cnn_cudnn_engines_finish(&engines);
    cnn_cudnn_graph_finish(&graph);
    return status;
}

void cnn_conv_engine_take(struct cnn_conv_engine *out, struct cnn_conv_engine *from) {
    cnn_conv_engine_finish(out);
    *out = *from;
    from->plan = (struct cnn_cudnn_plan){0};
}

enum cnn_status cnn_conv_engine_keep(struct cnn_conv_engine *engine, const struct cnn_cudnn_target *target) {
    char key[CNN_PLAN_STORE_KEY_BYTES], *text = NULL;
    size_t bytes = 0;
    if (!engine->plan.compiled || !target->plans)
        return CNN_OK;
    engine->plan.compiled = false;
    if (cnn_cudnn_plan_save(&text, &bytes, &engine->plan) != CNN_OK)
        return CNN_OK; // then it is compiled the next time too
    make_key(key, target, engine, engine->plan.tag);
    const enum cnn_status status = cnn_plan_store_keep(target->plans, key, text, bytes);
    free(text);
    return status;
}
