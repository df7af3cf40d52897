#include "base/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static struct cnn_queue *make(size_t capacity) {
    struct cnn_queue *queue = NULL;
    assert_int_equal(cnn_queue_create(&queue, capacity), CNN_OK);
    return queue;
}

static void first_in_first_out(void **state) {
    struct cnn_queue *queue = make(3);
    int items[10];
    void *got = NULL;
    // Three in, two out: the ring goes round several times.
    int in = 0, out = 0;
    while (out < 8) {
        while (in < 10 && cnn_queue_length(queue) < 3)
            assert_true(cnn_queue_push(queue, &items[in++]));
        for (int i = 0; i < 2; i++) {
            assert_true(cnn_queue_pop(queue, &got));
            assert_ptr_equal(got, &items[out++]);
        }
    }
    cnn_queue_destroy(queue);
    cnn_queue_destroy(NULL);
}

static void room_for_nothing_is_refused(void **state) {
    struct cnn_queue *queue = NULL;
    assert_int_equal(cnn_queue_create(&queue, 0), CNN_ERR_INPUT);
    assert_int_equal(cnn_queue_create(&queue, SIZE_MAX / 4), CNN_ERR_INPUT);
    assert_null(queue);
}

static void closing_drains(void **state) {
    struct cnn_queue *queue = make(4);
    int a, b;
    void *got = NULL;
    assert_true(cnn_queue_push(queue, &a));
    assert_true(cnn_queue_push(queue, &b));
    cnn_queue_close(queue);
    assert_false(cnn_queue_push(queue, &a));
    assert_true(cnn_queue_pop(queue, &got));
    assert_ptr_equal(got, &a);
    assert_true(cnn_queue_pop(queue, &got));
    assert_ptr_equal(got, &b);
    assert_false(cnn_queue_pop(queue, &got));
    cnn_queue_reopen(queue);
    assert_true(cnn_queue_push(queue, &b));
    cnn_queue_reopen(queue); // empties as well
    assert_int_equal(cnn_queue_length(queue), 0);
    assert_true(cnn_queue_push(queue, &a));
    assert_true(cnn_queue_pop(queue, &got));
    assert_ptr_equal(got, &a);
    cnn_queue_destroy(queue);
}

struct waiter {
    struct cnn_queue *queue;
    bool pops, result;
    atomic_bool done;
};

static void *wait_in_queue(void *argument) {
    struct waiter *waiter = argument;
    void *item = waiter;
    waiter->result = waiter->pops ? cnn_queue_pop(waiter->queue, &item) : cnn_queue_push(waiter->queue, item);
    waiter->done = true;
    return NULL;
}

static void closing_wakes_all(bool pops) {
    enum { N = 4 };
    struct cnn_queue *queue = make(1);
    struct waiter waiters[N];
    pthread_t threads[N];
    if (!pops)
        assert_true(cnn_queue_push(queue, queue));
    for (int i = 0; i < N; i++) {
        waiters[i] = (struct waiter){.queue = queue, .pops = pops, .result = true};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_in_queue, &waiters[i]), 0);
    }
    pause_ms(50);
    for (int i = 0; i < N; i++)
        assert_false(waiters[i].done); // they do wait
    cnn_queue_close(queue);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_false(waiters[i].result);
    }
    cnn_queue_destroy(queue);
}

static void closing_wakes_those_who_wait_for_items(void **state) { closing_wakes_all(true); }

static void closing_wakes_those_who_wait_for_room(void **state) { closing_wakes_all(false); }

static void a_full_queue_waits_for_room(void **state) {
    struct cnn_queue *queue = make(1);
    struct waiter waiter = {.queue = queue, .pops = false};
    pthread_t thread;
    void *got = NULL;
    assert_true(cnn_queue_push(queue, queue));
    assert_int_equal(pthread_create(&thread, NULL, wait_in_queue, &waiter), 0);
    pause_ms(30);
    assert_false(waiter.done);
    assert_true(cnn_queue_pop(queue, &got));
    pthread_join(thread, NULL);
    assert_true(waiter.result);
    assert_true(cnn_queue_pop(queue, &got));
    assert_ptr_equal(got, &waiter);
    cnn_queue_destroy(queue);
}

enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 20000 };

struct traffic {
    struct cnn_queue *queue;
    unsigned char *seen;
    int id;
    int last[PRODUCERS];
};

static void *produce(void *argument) {
    struct traffic *traffic = argument;
    for (int i = 0; i < EACH; i++)
        if (!cnn_queue_push(traffic->queue, traffic->seen + traffic->id * EACH + i))
            abort();
    return NULL;
}

static void *consume(void *argument) {
    struct traffic *traffic = argument;
    void *item;
    while (cnn_queue_pop(traffic->queue, &item)) {
        unsigned char *seen = item;
        int number = (int)(seen - traffic->seen);
        // One producer's items keep their order for whoever takes them.
        if (number % EACH < traffic->last[number / EACH])
            abort();
        traffic->last[number / EACH] = number % EACH;
        ++*seen;
    }
    return NULL;
}

static void nothing_is_lost_or_doubled(void **state) {
    struct cnn_queue *queue = make(7);
    unsigned char *seen = calloc(PRODUCERS, EACH);
    struct traffic in[PRODUCERS] = {0}, out[CONSUMERS] = {0};
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++) {
        out[i] = (struct traffic){.queue = queue, .seen = seen};
        assert_int_equal(pthread_create(&consumers[i], NULL, consume, &out[i]), 0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        in[i] = (struct traffic){.queue = queue, .seen = seen, .id = i};
        assert_int_equal(pthread_create(&producers[i], NULL, produce, &in[i]), 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    cnn_queue_close(queue);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    for (int i = 0; i < PRODUCERS * EACH; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
    cnn_queue_destroy(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(room_for_nothing_is_refused),
        cmocka_unit_test(closing_drains),
        cmocka_unit_test(closing_wakes_those_who_wait_for_items),
        cmocka_unit_test(closing_wakes_those_who_wait_for_room),
        cmocka_unit_test(a_full_queue_waits_for_room),
        cmocka_unit_test(nothing_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
