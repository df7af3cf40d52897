// The memory plan: every tensor of a step lives from the first to the last time it is touched, and tensors
// that do not live at the same time share addresses. What batch norm gave can be made again from its input in
// one cheap pass, so it is not kept from forward to backward (Chen et al. 2016, "Training deep nets with
// sublinear memory cost").
//
// Times: step i runs forward at i + 1 and backward at 2 n + 2 - i; the input comes at 0, the loss at n + 1.
#include "base/memory.h"
#include "replica/step.h"
#include <limits.h>
#include <stdlib.h>

static int forward_time(int step) { return step + 1; }
static int loss_time(const struct cnn_graph *g) { return g->n_steps + 1; }
static int backward_time(const struct cnn_graph *g, int step) { return 2 * g->n_steps + 2 - step; }
static int end_time(const struct cnn_graph *g) { return g->training ? backward_time(g, 0) : loss_time(g); }

// What libraries for GPUs ask of their workspace.
#define BUFFER_ALIGN ((size_t)256)

static int new_buffer(struct cnn_graph *g, size_t bytes, int first, int last) {
    g->buffers[g->n_buffers] =
        (struct cnn_buffer){.bytes = cnn_align_up(bytes, BUFFER_ALIGN), .first = first, .last = last};
    return g->n_buffers++;
}

static void stretch(struct cnn_graph *g, int buffer, int to) {
    if (g->buffers[buffer].last < to)
        g->buffers[buffer].last = to;
}

static size_t value_bytes(const struct cnn_value *value) { return cnn_tensor_bytes(&value->tensor); }

// First and last time of backward that reads the value; first is INT_MAX where none does.
static void backward_reads(const struct cnn_graph *g, int value, int *first, int *last) {
    *first = INT_MAX;
    *last = -1;
    for (int i = 0; i < g->n_steps; i++) {
        const struct cnn_step *step = &g->steps[i];
        if (!(step->in[0] == value && step->plan->reads_in) && !(step->out == value && step->plan->reads_out))
            continue;
        const int t = backward_time(g, i);
        *first = t < *first ? t : *first;
        *last = t > *last ? t : *last;
    }
}

static int last_forward_read(const struct cnn_graph *g, int value) {
    int last = value == g->output ? end_time(g) : 0;
    for (int i = 0; i < g->n_steps; i++)
        for (int j = 0; j < g->steps[i].desc.n_in; j++)
            if (g->steps[i].in[j] == value && forward_time(i) > last)
                last = forward_time(i);
    return last;
}

// A norm's output is made again when backward wants it, where what that takes is kept anyway: its residual
// must be a value that backward reads too and that is not itself remade.
static void choose_recomputed(struct cnn_graph *g) {
    for (int i = 0; i < g->n_steps; i++) {
        struct cnn_step *step = &g->steps[i];
        int first, last;
        backward_reads(g, step->out, &first, &last);
        step->recompute =
            g->training && step->plan->recomputable && first != INT_MAX && step->out != g->output;
        if (step->desc.n_in > 1) {
            const int residual = g->values[step->in[1]].producer;
            backward_reads(g, step->in[1], &first, &last);
            if (residual < 0 || first == INT_MAX || g->steps[residual].recompute)
                step->recompute = false;
        }
    }
}

static void place_data(struct cnn_graph *g) {
    for (int v = 0; v < g->model->n_nodes; v++) {
        struct cnn_value *value = &g->values[v];
        value->buffer = value->again = -1;
        if (value->producer < 0 && v != g->input)
            continue;
        int first, last;
        backward_reads(g, v, &first, &last);
        const int begin = v == g->input ? 0 : forward_time(value->producer);
        int end = last_forward_read(g, v);
        if (g->training && !(value->producer >= 0 && g->steps[value->producer].recompute))
            end = last > end ? last : end;
        value->buffer = new_buffer(g, value_bytes(value), begin, end);
    }
}

// Second lives of recomputed values, and the longer life of the residuals they are made from.
static void place_recomputed(struct cnn_graph *g) {
    for (int i = 0; i < g->n_steps; i++) {
        struct cnn_step *step = &g->steps[i];
        if (!step->recompute)
            continue;
        int first, last;
        backward_reads(g, step->out, &first, &last);
        g->values[step->out].again = new_buffer(g, value_bytes(&g->values[step->out]), first, last);
        for (int j = 0; j < step->desc.n_in; j++)
            stretch(g, g->values[step->in[j]].buffer, first);
        g->recomputations[g->n_recomputations++] = (struct cnn_recomputation){2 * g->n_steps + 2 - first, i};
    }
}

// `step` leaves a gradient for `value` in `buffer`: kept for the value's producer, or added to the first one
// at once.
static void give_gradient(struct cnn_graph *g, int step, int value, int buffer) {
    struct cnn_value *v = &g->values[value];
    if (v->n_gradients < v->kept) {
        stretch(g, buffer, backward_time(g, v->producer));
        v->gradients[v->n_gradients++] = buffer;
        return;
    }
    g->additions[g->n_additions++] =
        (struct cnn_addition){step, v->gradients[0], buffer, cnn_tensor_count(&v->tensor), v->tensor.type};
}

// Where step i puts the gradient of its first input, if that may be where the input lies: nobody reads it
// afterwards. -1: it needs memory of its own.
static int buffer_of_input(const struct cnn_graph *g, int i) {
    const struct cnn_step *step = &g->steps[i];
    const struct cnn_value *in = &g->values[step->in[0]];
    const int buffer = in->again >= 0 ? in->again : in->buffer;
    return step->plan->over_input && g->buffers[buffer].last == backward_time(g, i) ? buffer : -1;
}

static int buffer_of_gradient(struct cnn_graph *g, int i, int j) {
    const struct cnn_step *step = &g->steps[i];
    if (step->plan->in_place == j)
        return g->values[step->out].gradients[0];
    const int over = j == 0 ? buffer_of_input(g, i) : -1, made = backward_time(g, i);
    return over >= 0 ? over : new_buffer(g, value_bytes(&g->values[step->in[j]]), made, made);
}

// In backward order, so that a value's gradients are all given before its producer takes them.
static void place_gradients(struct cnn_graph *g) {
    struct cnn_value *logits = &g->values[g->output];
    logits->gradients[logits->n_gradients++] =
        new_buffer(g, value_bytes(logits), loss_time(g), backward_time(g, logits->producer));
    for (int i = g->n_steps - 1; i >= 0; i--) {
        const struct cnn_step *step = &g->steps[i];
        for (int j = 0; j < step->desc.n_in; j++) {
            g->d_in[i][j] = -1;
            if (g->values[step->in[j]].producer < 0)
                continue;
            g->d_in[i][j] = buffer_of_gradient(g, i, j);
            give_gradient(g, i, step->in[j], g->d_in[i][j]);
        }
    }
}

static void place_workspaces(struct cnn_graph *g) {
    size_t scratch = 0;
    for (int i = 0; i < g->n_steps; i++) {
        const struct cnn_plan *plan = g->steps[i].plan;
        const int last = g->training ? backward_time(g, i) : forward_time(i);
        g->workspaces[i] =
            plan->workspace_bytes ? new_buffer(g, plan->workspace_bytes, forward_time(i), last) : -1;
        scratch = plan->scratch_bytes > scratch ? plan->scratch_bytes : scratch;
    }
    g->scratch_bytes = scratch;
    g->scratch = new_buffer(g, scratch, 0, end_time(g));
}

static bool live_together(const struct cnn_buffer *a, const struct cnn_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

// Orders of placing; the one that needs least memory is taken.
static int by_size(const void *a, const void *b) {
    const struct cnn_buffer *x = *(struct cnn_buffer *const *)a, *y = *(struct cnn_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first)
        return x->first - y->first;
    return x < y ? -1 : x > y; // no two are alike, so an order is always the same
}

static int by_life(const void *a, const void *b) {
    const struct cnn_buffer *x = *(struct cnn_buffer *const *)a, *y = *(struct cnn_buffer *const *)b;
    const int lives = (y->last - y->first) - (x->last - x->first);
    return lives ? lives : by_size(a, b);
}

static int by_area(const void *a, const void *b) {
    const struct cnn_buffer *x = *(struct cnn_buffer *const *)a, *y = *(struct cnn_buffer *const *)b;
    const double areas =
        (double)y->bytes * (y->last - y->first + 1) - (double)x->bytes * (x->last - x->first + 1);
    return areas != 0 ? (areas > 0 ? 1 : -1) : by_size(a, b);
}

static int (*const orders[])(const void *, const void *) = {by_size, by_life, by_area};
#define N_ORDERS (sizeof orders / sizeof orders[0])

// The lowest address where `buffer` meets none of the placed ones (which are sorted by offset) that live when
// it does.
static size_t lowest_gap(const struct cnn_buffer *buffer, struct cnn_buffer *const *placed, int n) {
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        if (!live_together(buffer, placed[i]))
            continue;
        if (placed[i]->offset >= at + buffer->bytes)
            break;
        if (placed[i]->offset + placed[i]->bytes > at)
            at = placed[i]->offset + placed[i]->bytes;
    }
    return at;
}

// Greedy (Pisarchyk and Lee 2020): each buffer in turn goes as low as those before it allow. Gives the bytes
// of all.
static size_t place_in_order(struct cnn_graph *g, struct cnn_buffer **order, struct cnn_buffer **placed) {
    size_t bytes = 0;
    for (int i = 0; i < g->n_buffers; i++) {
        struct cnn_buffer *buffer = order[i];
        buffer->offset = lowest_gap(buffer, placed, i);
        int at = i;
        for (; at > 0 && placed[at - 1]->offset > buffer->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = buffer;
        if (buffer->offset + buffer->bytes > bytes)
            bytes = buffer->offset + buffer->bytes;
    }
    return bytes;
}

static void assign_best(struct cnn_graph *g, struct cnn_buffer **order, struct cnn_buffer **placed) {
    size_t best = 0;
    for (size_t k = 0; k <= N_ORDERS; k++) { // once more, the best
        if (k < N_ORDERS)
            qsort(order, (size_t)g->n_buffers, sizeof *order, orders[k]);
        else
            qsort(order, (size_t)g->n_buffers, sizeof *order, orders[best]);
        const size_t bytes = place_in_order(g, order, placed);
        if (k == 0 || bytes < g->arena_bytes) {
            g->arena_bytes = bytes;
            best = k;
        }
    }
}

static enum cnn_status assign_offsets(struct cnn_graph *g) {
    struct cnn_buffer **order = NULL, **placed = NULL;
    enum cnn_status status = cnn_calloc(&order, (size_t)g->n_buffers, sizeof *order);
    if (status == CNN_OK)
        status = cnn_calloc(&placed, (size_t)g->n_buffers, sizeof *placed);
    for (int i = 0; status == CNN_OK && i < g->n_buffers; i++) {
        order[i] = &g->buffers[i];
        g->unshared_bytes += g->buffers[i].bytes;
    }
    if (status == CNN_OK)
        assign_best(g, order, placed);
    free(order);
    free(placed);
    return status;
}

static enum cnn_status allocate_lists(struct cnn_graph *g) {
    const size_t steps = (size_t)g->n_steps, values = (size_t)g->model->n_nodes;
    CNN_TRY(cnn_calloc(&g->buffers, 2 * values + 4 * steps + 2, sizeof *g->buffers));
    CNN_TRY(cnn_calloc(&g->workspaces, steps, sizeof *g->workspaces));
    CNN_TRY(cnn_calloc(&g->additions, 2 * steps, sizeof *g->additions));
    CNN_TRY(cnn_calloc(&g->d_in, steps, sizeof *g->d_in));
    return cnn_calloc(&g->recomputations, steps, sizeof *g->recomputations);
}

enum cnn_status cnn_graph_place(struct cnn_graph *g) {
    CNN_TRY(allocate_lists(g));
    for (int i = 0; i < g->n_steps; i++)
        g->values[g->steps[i].out].kept = g->steps[i].plan->max_gradients;
    choose_recomputed(g);
    place_data(g);
    place_workspaces(g);
    if (g->training) {
        place_recomputed(g);
        place_gradients(g);
    }
    return assign_offsets(g);
}

void cnn_graph_finish(struct cnn_graph *g) {
    free(g->steps);
    free(g->values);
    free(g->buffers);
    free(g->workspaces);
    free(g->additions);
    free(g->recomputations);
    free(g->d_in);
}
