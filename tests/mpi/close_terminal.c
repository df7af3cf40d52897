// close_terminal PATTERN PROGRAM [ARGS...]: runs the program in a terminal of its own, closes the terminal
// when PATTERN was written to it, and exits with the program's exit code.
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEN_BYTES ((size_t)1 << 20)

// Reads until the pattern has come. False: the program ended before.
static int wait_for(int terminal, const char *pattern) {
    static char seen[SEEN_BYTES];
    size_t used = 0;
    while (used + 1 < SEEN_BYTES) {
        ssize_t n = read(terminal, seen + used, SEEN_BYTES - 1 - used);
        if (n <= 0)
            return 0;
        used += (size_t)n;
        seen[used] = '\0';
        if (strstr(seen, pattern))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    int terminal, status;
    if (argc < 3) {
        fprintf(stderr, "usage: close_terminal PATTERN PROGRAM [ARGS...]\n");
        return 2;
    }
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    if (child < 0) {
        perror("forkpty");
        return 2;
    }
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (!wait_for(terminal, argv[1]))
        fprintf(stderr, "close_terminal: the program ended before it wrote '%s'\n", argv[1]);
    close(terminal);
    if (waitpid(child, &status, 0) < 0)
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
