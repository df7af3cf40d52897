// The memory plan, checked by playing a step on a shadow of the arena: every line of it is labelled with what
// lies there, and whoever reads must find what it was promised.
#include "run.h"

#include "replica/private.h"

#define LINE 256 // what GPU libraries ask of a workspace, and so all buffers begin at

enum what { NOTHING, DATA, GRADIENT, WORKSPACE, SCRATCH };
struct label {
    enum what what;
    int whose;  // value or step
    int shares; // GRADIENT: consumers whose part is in it
};

struct shadow {
    const struct cnn_replica *replica;
    const struct cnn_graph *graph;
    struct label *lines;
    size_t n_lines;
    const char *net;
};

// The lines of an address in the arena.
static size_t line_of(const struct shadow *s, const void *address, size_t bytes) {
    const ptrdiff_t offset = (const char *)address - s->replica->arena;
    assert_true(offset >= 0 && (size_t)offset % LINE == 0 && (size_t)offset + bytes <= s->graph->arena_bytes);
    return (size_t)offset / LINE;
}

static void put(struct shadow *s, const void *address, size_t bytes, struct label label) {
    const size_t first = line_of(s, address, bytes);
    for (size_t i = 0; i < (bytes + LINE - 1) / LINE; i++)
        s->lines[first + i] = label;
}

// The label all of a stretch has; the test fails where it is of several minds or not what is wanted.
static struct label look(const struct shadow *s, const void *address, size_t bytes, enum what what, int whose,
                         const char *reader) {
    const size_t first = line_of(s, address, bytes);
    const struct label label = s->lines[first];
    for (size_t i = 0; i < (bytes + LINE - 1) / LINE; i++) {
        const struct label *l = &s->lines[first + i];
        if (l->what != what || l->whose != whose || l->shares != label.shares)
            fail_msg("%s: %s wants kind %d of %d but finds kind %d of %d", s->net, reader, (int)what, whose,
                     (int)l->what, l->whose);
    }
    return label;
}

static size_t bytes_of(const struct shadow *s, int value) {
    return cnn_tensor_count(&s->graph->values[value].tensor) * sizeof(float);
}

static int edges_to(const struct cnn_graph *g, int value) {
    int n = value == g->output;
    for (int i = 0; i < g->n_steps; i++)
        for (int j = 0; j < g->steps[i].desc.n_in; j++)
            n += g->steps[i].in[j] == value;
    return n;
}

static void play_scratch(struct shadow *s, const struct cnn_step *step, const struct cnn_kernel_io *io) {
    if (step->plan->scratch_bytes)
        put(s, io->scratch, step->plan->scratch_bytes, (struct label){SCRATCH, 0, 0});
}

static void play_forward(struct shadow *s, int i) {
    const struct cnn_step *step = &s->graph->steps[i];
    play_scratch(s, step, &step->forward);
    if (step->plan->workspace_bytes)
        put(s, step->forward.workspace, step->plan->workspace_bytes, (struct label){WORKSPACE, i, 0});
    put(s, step->forward.out, bytes_of(s, step->out), (struct label){DATA, step->out, 0});
    for (int j = 0; j < step->desc.n_in; j++) // still there once all is written
        look(s, step->forward.in[j], bytes_of(s, step->in[j]), DATA, step->in[j], step->desc.node->name);
}

static void play_recompute(struct shadow *s, int i) {
    const struct cnn_step *step = &s->graph->steps[i];
    const char *name = step->desc.node->name;
    assert_true(step->plan->recomputable && step->recompute);
    put(s, step->again.out, bytes_of(s, step->out), (struct label){DATA, step->out, 0});
    for (int j = 0; j < step->desc.n_in; j++)
        look(s, step->again.in[j], bytes_of(s, step->in[j]), DATA, step->in[j], name);
    if (step->plan->workspace_bytes)
        look(s, step->again.workspace, step->plan->workspace_bytes, WORKSPACE, i, name);
}

static bool lies_over_input(const struct cnn_step *step) {
    return step->plan->over_input && step->backward.d_in[0] && step->backward.d_in[0] == step->backward.in[0];
}

// What backward reads is there before it runs and, but for the gradients and the input it may overwrite,
// while it writes.
static void read_for_backward(struct shadow *s, int i, bool written) {
    const struct cnn_step *step = &s->graph->steps[i];
    const char *name = step->desc.node->name;
    if (step->plan->reads_in && !(written && lies_over_input(step)))
        look(s, step->backward.in[0], bytes_of(s, step->in[0]), DATA, step->in[0], name);
    if (step->plan->reads_out)
        look(s, step->backward.out, bytes_of(s, step->out), DATA, step->out, name);
    if (step->plan->workspace_bytes)
        look(s, step->backward.workspace, step->plan->workspace_bytes, WORKSPACE, i, name);
}

static void play_backward(struct shadow *s, int i) {
    const struct cnn_step *step = &s->graph->steps[i];
    int shares = 0;
    for (int j = 0; j < 2 && step->backward.d_out[j]; j++)
        shares += look(s, step->backward.d_out[j], bytes_of(s, step->out), GRADIENT, step->out,
                       step->desc.node->name)
                      .shares;
    if (shares != edges_to(s->graph, step->out))
        fail_msg("%s: %s gets the gradients of %d of its %d consumers", s->net, step->desc.node->name, shares,
                 edges_to(s->graph, step->out));
    assert_true(!step->backward.d_out[1] || step->plan->max_gradients > 1);
    read_for_backward(s, i, false);
    play_scratch(s, step, &step->backward);
    for (int j = 0; j < step->desc.n_in; j++) {
        const struct cnn_kernel_io *io = &step->backward;
        assert_int_equal(io->d_in[j] == NULL, step->in[j] == s->graph->input);
        if (!io->d_in[j])
            continue;
        assert_int_equal(io->d_in[j] == io->d_out[0], step->plan->in_place == j);
        put(s, io->d_in[j], bytes_of(s, step->in[j]), (struct label){GRADIENT, step->in[j], 1});
    }
    read_for_backward(s, i, true);
    for (int j = 0; j < step->desc.n_in; j++)
        if (step->backward.d_in[j])
            look(s, step->backward.d_in[j], bytes_of(s, step->in[j]), GRADIENT, step->in[j],
                 step->desc.node->name);
}

static void play_addition(struct shadow *s, const struct cnn_addition *a) {
    const char *into = s->replica->arena + s->graph->buffers[a->into].offset;
    const char *from = s->replica->arena + s->graph->buffers[a->from].offset;
    const size_t bytes = a->count * sizeof(float);
    const int value = s->lines[line_of(s, from, bytes)].whose;
    struct label sum = look(s, into, bytes, GRADIENT, value, "an addition");
    assert_ptr_not_equal(into, from);
    sum.shares += look(s, from, bytes, GRADIENT, value, "an addition").shares;
    assert_int_equal(bytes, bytes_of(s, value));
    put(s, into, bytes, sum);
}

static void play_loss(struct shadow *s) {
    const struct cnn_graph *g = s->graph;
    const struct cnn_value *logits = &g->values[g->output];
    if (g->training)
        put(s, s->replica->arena + g->buffers[logits->gradients[0]].offset, bytes_of(s, g->output),
            (struct label){GRADIENT, g->output, 1});
    look(s, s->replica->arena + g->buffers[logits->buffer].offset, bytes_of(s, g->output), DATA, g->output,
         "the loss");
}

static void play_step(struct shadow *s) {
    const struct cnn_graph *g = s->graph;
    put(s, s->replica->arena + g->buffers[g->values[g->input].buffer].offset, bytes_of(s, g->input),
        (struct label){DATA, g->input, 0});
    for (int i = 0; i < g->n_steps; i++)
        play_forward(s, i);
    play_loss(s);
    for (int i = g->n_steps - 1; g->training && i >= 0; i--) {
        for (int k = 0; k < g->n_recomputations; k++)
            if (g->recomputations[k].step == i)
                play_recompute(s, g->recomputations[k].what);
        play_backward(s, i);
        for (int k = 0; k < g->n_additions; k++)
            if (g->additions[k].step == i)
                play_addition(s, &g->additions[k]);
    }
    // the logits are read after the step
    look(s, s->replica->arena + g->buffers[g->values[g->output].buffer].offset, bytes_of(s, g->output), DATA,
         g->output, "logits");
}

// The plan's own account: what it says lives together does not overlap, and all of it fits.
static void check_buffers(const struct cnn_graph *g) {
    size_t sum = 0;
    for (int a = 0; a < g->n_buffers; a++) {
        const struct cnn_buffer *x = &g->buffers[a];
        assert_true(x->first <= x->last && x->offset % LINE == 0 && x->offset + x->bytes <= g->arena_bytes);
        sum += x->bytes;
        for (int b = 0; b < a; b++) {
            const struct cnn_buffer *y = &g->buffers[b];
            const bool together = x->first <= y->last && y->first <= x->last;
            if (together && x->bytes && y->bytes)
                assert_true(x->offset + x->bytes <= y->offset || y->offset + y->bytes <= x->offset);
        }
    }
    assert_int_equal(sum, g->unshared_bytes);
    assert_true(g->arena_bytes <= sum);
}

static void check_plan(const char *net, const struct cnn_model *model, struct cnn_backend *backend,
                       bool training) {
    struct cnn_replica_options options = options_for(model, backend, 2);
    struct cnn_replica *replica = NULL;
    options.training = training;
    options.micros = training ? 2 : 1;
    EXPECT_OK(cnn_replica_create(&replica, &options));
    struct shadow s = {.replica = replica, .graph = &replica->graph, .net = net};
    s.n_lines = s.graph->arena_bytes / LINE + 1;
    s.lines = calloc(s.n_lines, sizeof *s.lines);
    assert_non_null(s.lines);
    check_buffers(s.graph);
    play_step(&s);
    play_step(&s); // whatever the first left behind
    free(s.lines);
    cnn_replica_destroy(replica);
}

static void hand_made_networks(void **state) {
    for (size_t i = 0; i < n_nets; i++) {
        struct cnn_model *model = nets[i].build();
        check_plan(nets[i].name, model, *state, true);
        check_plan(nets[i].name, model, *state, false);
        cnn_model_destroy(model);
    }
}

static void zoo_networks(void **state) {
    static const struct {
        const char *arch;
        int size;
    } archs[] = {{"resnet18", 32}, {"resnet50", 32}, {"resnet20", 32}, {"vgg11_bn", 32}};
    for (size_t i = 0; i < LENGTH(archs); i++) {
        struct cnn_model *model = zoo(archs[i].arch, archs[i].size, 3, 10);
        check_plan(archs[i].arch, model, *state, true);
        check_plan(archs[i].arch, model, *state, false);
        cnn_model_destroy(model);
    }
}

static const struct cnn_step *step_at(const struct cnn_graph *g, const char *node) {
    for (int i = 0; i < g->n_steps; i++)
        if (strcmp(g->steps[i].desc.node->name, node) == 0)
            return &g->steps[i];
    fail_msg("no step begins with %s", node);
    return NULL;
}

// Norms are made again where a convolution reads them, unless that takes a residual that is not kept itself.
static void what_is_recomputed(void **state) {
    static const struct {
        const char *norm;
        bool again;
    } choices[] = {
        {"bn", true},                                 // stem
        {"block0.bn1", true},                         // inside a branch
        {"block3.bn1", true},  {"block0.bn2", false}, // its residual is the stem's, itself made again
        {"block1.bn2", true},                         // its residual is block0's, kept
        {"block2.bn2", false}, {"block3.bn2", true},  // read by its own backward, for the sign
    };
    struct cnn_model *model = NULL;
    for (size_t i = 0; i < n_nets; i++)
        if (strcmp(nets[i].name, "identity_blocks") == 0)
            model = nets[i].build();
    struct cnn_replica_options options = options_for(model, *state, 2);
    struct cnn_replica *replica = NULL;
    EXPECT_OK(cnn_replica_create(&replica, &options));
    const struct cnn_graph *g = &replica->graph;
    for (size_t i = 0; i < LENGTH(choices); i++) {
        const struct cnn_step *step = step_at(g, choices[i].norm);
        if (step->recompute != choices[i].again)
            fail_msg("%s is %s", choices[i].norm, step->recompute ? "made again" : "kept");
        if (step->recompute)
            assert_int_not_equal(g->values[step->out].again, g->values[step->out].buffer);
    }
    const struct cnn_value *out = &g->values[step_at(g, "block0.bn1")->out];
    assert_true(g->buffers[out->buffer].last <= g->n_steps); // gone before the loss
    cnn_replica_destroy(replica);
    cnn_model_destroy(model);
}

static void inference_recomputes_nothing(void **state) {
    struct cnn_model *model = zoo("resnet20", 32, 3, 10);
    struct cnn_replica_options options = options_for(model, *state, 8);
    struct cnn_replica *training = NULL, *inference = NULL;
    EXPECT_OK(cnn_replica_create(&training, &options));
    options.training = false;
    EXPECT_OK(cnn_replica_create(&inference, &options));
    assert_int_equal(inference->graph.n_recomputations, 0);
    assert_true(inference->graph.arena_bytes < training->graph.arena_bytes / 2);
    const struct cnn_replica_memory memory = cnn_replica_memory(training);
    assert_int_equal(memory.parameters, cnn_replica_count(training) * sizeof(float));
    assert_int_equal(memory.gradients, memory.parameters);
    assert_true(memory.activations <= memory.activations_unshared);
    assert_true(memory.total >= memory.parameters + memory.gradients + memory.activations + memory.scratch);
    cnn_replica_destroy(inference);
    cnn_replica_destroy(training);
    cnn_model_destroy(model);
}

// Sharing has to be worth it: a deep chain needs little more than what backward reads.
static void sharing_saves_memory(void **state) {
    struct cnn_model *model = zoo("resnet50", 64, 3, 1000);
    struct cnn_replica_options options = options_for(model, *state, 4);
    struct cnn_replica *replica = NULL;
    EXPECT_OK(cnn_replica_create(&replica, &options));
    const struct cnn_graph *g = &replica->graph;
    size_t conv_inputs = 0, largest = 0;
    for (int i = 0; i < g->n_steps; i++) {
        const size_t bytes = cnn_tensor_count(&g->steps[i].plan->out) * sizeof(float);
        conv_inputs += g->steps[i].desc.kernel == CNN_KERNEL_CONV ? bytes : 0;
        largest = bytes > largest ? bytes : largest;
    }
    // every convolution's output (the norm's input), half of the blocks' sums, and a few tensors in flight
    assert_true(g->arena_bytes < conv_inputs + conv_inputs / 4 + 8 * largest + g->scratch_bytes);
    cnn_replica_destroy(replica);
    cnn_model_destroy(model);
}

static int give_backend(void **state) {
    *state = new_backend(2);
    return 0;
}

static int take_backend(void **state) {
    cnn_backend_destroy(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_made_networks),   cmocka_unit_test(zoo_networks),
        cmocka_unit_test(what_is_recomputed),   cmocka_unit_test(inference_recomputes_nothing),
        cmocka_unit_test(sharing_saves_memory),
    };
    return cmocka_run_group_tests(tests, give_backend, take_backend);
}
