#include "cli/csv.h"

#include <string.h>

void cnn_csv_text(FILE *to, const char *text, bool first) {
    const size_t length = strlen(text);
    const bool outer = length > 0 && (text[0] == ' ' || text[length - 1] == ' ');
    if (!first)
        fputc(',', to);
    if (!outer && !strpbrk(text, ",\"\r\n")) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void cnn_csv_number(FILE *to, double value, bool first) { fprintf(to, "%s%.9g", first ? "" : ",", value); }

void cnn_csv_end(FILE *to) { fputs("\r\n", to); }
