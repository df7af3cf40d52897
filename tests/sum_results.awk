# Sums the output of `ctest -V`, in which every line of a test begins with its number ("12: "). A cmocka program counts
# case by case; any other test, and a program that several ranks run or that crashed half-way, counts as one.
# With -v details=1, first the whole output of each test that failed. Last line: PASSED FAILED SKIPPED.
# A skipped case, and what it said, would otherwise go unseen: they are listed too.

function of_cmocka(id) { return summaries[id] == 1 && passed_cases[id] + failed_cases[id] + skipped_cases[id] == cases[id] }

function end_of_test(id, name, result) {
    if (of_cmocka(id) && (failed_cases[id] > 0 || result !~ /Failed|Exception|Timeout/)) {
        passed += passed_cases[id]; failed += failed_cases[id]; skipped += skipped_cases[id]
        if (details && skipped_cases[id]) print "skipped in " name ":\n" reasons[id]
    } else if (result ~ /Passed/) {
        passed++
    } else if (result ~ /Skipped|Disabled/) {
        skipped++
        if (details) print "skipped: " name
    } else {
        failed++
    }
    if (details && result !~ /Passed|Skipped|Disabled/) print "---- " name ": " result "\n" output[id] "----"
    delete output[id]
}

/^[0-9]+: / {
    id = $1 + 0
    line = $0
    sub(/^[0-9]+: /, "", line)
    output[id] = output[id] line "\n"
    if (line ~ /^\[==========\].* [0-9]+ test\(s\) run/) {
        summaries[id]++
        match(line, /[0-9]+ test\(s\) run/)
        cases[id] += substr(line, RSTART) + 0
    }
    if (line ~ /^\[  PASSED  \] [0-9]+ test/) passed_cases[id] += substr(line, 14) + 0
    if (line ~ /^\[  FAILED  \] [0-9]+ test/) failed_cases[id] += substr(line, 14) + 0
    if (line ~ /^\[  SKIPPED \] [0-9]+ test/) { skipped_cases[id] += substr(line, 14) + 0; listing[id] = 1 }
    else if (line ~ /^\[  SKIPPED \] / && listing[id]) reasons[id] = reasons[id] "    " substr(line, 14) "\n"
    next
}

# " 3/40 Test  #5: base/test_file ..........   Passed    0.02 sec"
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    line = $0
    sub(/^ *[0-9]+\/[0-9]+ Test +#/, "", line)
    id = line + 0
    sub(/^[0-9]+: /, "", line)
    name = line
    sub(/[ .*].*/, "", name)
    end_of_test(id, name, substr(line, length(name) + 1))
}

END { print passed + 0, failed + 0, skipped + 0 }
