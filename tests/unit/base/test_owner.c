// One owner of a folder: who gets it, when it is taken over, and what the one that lost it can still do.
#include "base/clock.h"
#include "base/file.h"
#include "base/owner.h"
#include "base/owner_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 20 // for what would otherwise hang

static char root[64], path[512];

static int make_root(void **state) {
    strcpy(root, "/tmp/cnn_test_owner_XXXXXX");
    setenv("CNN_OWNER_BEAT_S", "0.02", 1);
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static const char *in_root(const char *name) {
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static enum cnn_status take(struct cnn_owner **out) {
    struct cnn_owner_options options = {
        .folder = root, .name = "owner", .what = "test folder", .advice = "wait"};
    *out = NULL;
    return cnn_owner_take(out, &options);
}

static void put_record(const struct cnn_owner_record *record) {
    char text[CNN_OWNER_TEXT_BYTES];
    size_t n = cnn_owner_record_format(text, record);
    assert_int_equal(cnn_file_replace(in_root("owner"), text, n), CNN_OK);
}

static void assert_nothing_left(void) {
    char **names;
    size_t n;
    assert_int_equal(cnn_folder_list(&names, &n, root, "", ""), CNN_OK);
    assert_int_equal(n, 0);
    cnn_names_free(names, n);
}

static void the_second_is_refused(void **state) {
    struct cnn_owner *first, *second;
    char process[64];
    setenv("SLURM_JOB_ID", "991", 1);
    assert_int_equal(take(&first), CNN_OK);
    unsetenv("SLURM_JOB_ID");
    assert_null(cnn_owner_taken_from(first));
    assert_int_equal(take(&second), CNN_ERR_INPUT);
    snprintf(process, sizeof process, "is in use by process %d on ", (int)getpid());
    assert_non_null(strstr(cnn_error_message(), process));
    assert_non_null(strstr(cnn_error_message(), "(job 991), last sign of life 20"));
    assert_int_equal(cnn_owner_check(first), CNN_OK);
    assert_true(cnn_owner_holds(first));
    cnn_owner_release(first);
    assert_nothing_left();
    assert_int_equal(take(&second), CNN_OK);
    cnn_owner_release(second);
}

// A child takes the folder and ends without giving it back.
static void leave_dead_owner(void) {
    pid_t child = fork();
    if (child == 0) {
        struct cnn_owner *owner;
        setenv("CNN_OWNER_BEAT_S", "100", 1);
        _exit(take(&owner) != CNN_OK);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_dead_process_is_replaced_at_once(void **state) {
    struct cnn_owner *owner;
    double start_s = cnn_clock_s();
    leave_dead_owner();
    assert_true(cnn_file_exists(in_root("owner")));
    assert_int_equal(take(&owner), CNN_OK);
    assert_true(cnn_clock_s() - start_s < PATIENCE_S); // thirty of its heartbeats would be 3000 s
    assert_non_null(strstr(cnn_owner_taken_from(owner), "which no longer runs"));
    cnn_owner_release(owner);
    assert_nothing_left();
}

static void a_process_number_that_was_used_again_is_dead(void **state) {
    struct cnn_owner_record record;
    struct cnn_owner *owner;
    cnn_owner_record_init(&record, 100);
    record.started--;
    put_record(&record);
    assert_int_equal(take(&owner), CNN_OK);
    cnn_owner_release(owner);
}

// As seen from another machine, where only the counter tells.
static void make_foreign(struct cnn_owner_record *record) {
    cnn_owner_record_init(record, 0.02);
    strcpy(record->host, "elsewhere");
    strcpy(record->boot, "another");
}

static void a_silent_owner_elsewhere_is_replaced(void **state) {
    struct cnn_owner_record record;
    struct cnn_owner *owner;
    make_foreign(&record);
    strcpy(record.time, "2099-01-01T00:00:00Z"); // its clock means nothing here
    put_record(&record);
    double start_s = cnn_clock_s();
    assert_int_equal(take(&owner), CNN_OK);
    assert_true(cnn_clock_s() - start_s >= 30 * 0.02);
    assert_non_null(strstr(cnn_owner_taken_from(owner), "elsewhere"));
    cnn_owner_release(owner);
}

static void an_owner_elsewhere_that_beats_is_not(void **state) {
    struct cnn_owner_record record;
    struct cnn_owner *owner;
    make_foreign(&record);
    record.beat_s = 10; // the child is slow on a busy machine
    strcpy(record.time, "1999-01-01T00:00:00Z");
    put_record(&record);
    pid_t child = fork();
    if (child == 0)
        for (;;) {
            usleep(10000);
            record.beat++;
            put_record(&record);
        }
    assert_int_equal(take(&owner), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "on elsewhere, last sign of life 1999-01-01T00:00:00Z"));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

// Of a run folder that was copied while its owner runs.
static void a_copy_belongs_to_nobody(void **state) {
    struct cnn_owner *owner, *other;
    char command[512];
    assert_int_equal(take(&owner), CNN_OK);
    snprintf(command, sizeof command, "cp %s/owner %s/copy && mv %s/copy %s/owner", root, root, root, root);
    assert_int_equal(system(command), 0);
    assert_int_equal(take(&other), CNN_OK);
    cnn_owner_release(other);
    cnn_owner_release(owner);
    assert_nothing_left();
}

static void a_damaged_file_is_waited_for_and_replaced(void **state) {
    const char *const texts[] = {"", "cnn_dist owner 1\ntok", "\xff\xfe junk",
                                 "cnn_dist owner 1\ntoken ../../x\n"};
    setenv("CNN_OWNER_BEAT_S", "0.01", 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cnn_owner *owner;
        assert_int_equal(cnn_file_replace(in_root("owner"), texts[i], strlen(texts[i])), CNN_OK);
        assert_int_equal(take(&owner), CNN_OK);
        assert_non_null(strstr(cnn_owner_taken_from(owner), "owner file is damaged"));
        cnn_owner_release(owner);
        assert_nothing_left();
    }
}

static void one_that_died_while_taking_over_is_followed(void **state) {
    struct cnn_owner_record dead, heir;
    struct cnn_owner *owner;
    char name[64], text[CNN_OWNER_TEXT_BYTES];
    cnn_owner_record_init(&dead, 100);
    cnn_owner_record_init(&heir, 100);
    dead.started--;
    heir.started--;
    put_record(&dead);
    snprintf(name, sizeof name, "owner.after-%s", dead.token);
    size_t n = cnn_owner_record_format(text, &heir);
    assert_int_equal(cnn_file_replace(in_root(name), text, n), CNN_OK);
    assert_int_equal(take(&owner), CNN_OK);
    assert_int_equal(cnn_owner_check(owner), CNN_OK);
    cnn_owner_release(owner);
    assert_nothing_left();
}

// Suspended, replaced, and woken up: what it then tries to write does not appear.
static void who_lost_it_writes_nothing_more(void **state) {
    struct cnn_owner *owner;
    int ready[2], go[2], status;
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        struct cnn_file_writer writer;
        if (take(&owner) != CNN_OK || cnn_file_writer_open(&writer, in_root("file")) != CNN_OK ||
            write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(1);
        if (cnn_file_writer_commit(&writer) != CNN_ERR_FAILED ||
            !strstr(cnn_error_message(), "was taken over by process"))
            _exit(2);
        if (cnn_file_replace(in_root("file"), "lost", 4) != CNN_ERR_FAILED || cnn_owner_holds(owner))
            _exit(3);
        cnn_owner_release(owner);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_int_equal(take(&owner), CNN_OK);
    assert_non_null(strstr(cnn_owner_taken_from(owner), "none in the last"));
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(cnn_file_exists(in_root("file")));
    assert_int_equal(cnn_owner_check(owner), CNN_OK); // the child's release left it alone
    cnn_owner_release(owner);
    assert_nothing_left();
}

static void a_removed_file_is_a_lost_folder(void **state) {
    struct cnn_owner *owner;
    assert_int_equal(take(&owner), CNN_OK);
    assert_int_equal(unlink(in_root("owner")), 0);
    assert_int_equal(cnn_owner_check(owner), CNN_ERR_FAILED);
    cnn_owner_release(owner);
}

// Children that start together: 'w' from one that got the folder, 'l' from one that was refused.
static void race(int n) {
    int go[2], answers[2], won = 0, refused = 0;
    char answer;
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(answers), 0);
    pid_t children[32];
    for (int i = 0; i < n; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        struct cnn_owner *owner;
        close(go[1]);
        if (read(go[0], &answer, 1) < 0)
            _exit(1);
        enum cnn_status status = take(&owner);
        answer = status == CNN_OK ? 'w' : status == CNN_ERR_INPUT ? 'l' : '?';
        if (write(answers[1], &answer, 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(go[0]);
    close(go[1]); // all of them read the end of the pipe at once
    for (int i = 0; i < n; i++) {
        assert_int_equal(read(answers[0], &answer, 1), 1);
        won += answer == 'w';
        refused += answer == 'l';
    }
    assert_int_equal(won, 1);
    assert_int_equal(refused, n - 1);
    for (int i = 0; i < n; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    close(answers[0]);
    close(answers[1]);
}

static void of_many_at_once_one_wins(void **state) {
    setenv("CNN_OWNER_BEAT_S", "0.3", 1); // all of them share few processors
    race(12);                             // nobody there; leaves a dead owner
    race(12);
    race(12);
}

int main(void) {
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(the_second_is_refused),
        IN_ROOT(a_dead_process_is_replaced_at_once),
        IN_ROOT(a_process_number_that_was_used_again_is_dead),
        IN_ROOT(a_silent_owner_elsewhere_is_replaced),
        IN_ROOT(an_owner_elsewhere_that_beats_is_not),
        IN_ROOT(a_copy_belongs_to_nobody),
        IN_ROOT(a_damaged_file_is_waited_for_and_replaced),
        IN_ROOT(one_that_died_while_taking_over_is_followed),
        IN_ROOT(who_lost_it_writes_nothing_more),
        IN_ROOT(a_removed_file_is_a_lost_folder),
        IN_ROOT(of_many_at_once_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
