/* callers.c - victims that many scenarios share. */
#include "harness.h"

/* dial ADDRESS: what connect() says. */
VICTIM(dial)
{
    int fd = dial(argv[1]);

    if (fd >= 0)
        close(fd);
    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

/* dial_twice ADDRESS: both results; with a cap of 1 the second one tells whether it is in force. */
VICTIM(dial_twice)
{
    int first = dial(argv[1]), second = dial(argv[1]);

    say("%s %s", word_of(first < 0 ? first : 0), word_of(second < 0 ? second : 0));
    return 0;
}

/* ask ADDRESS: connect, one exchange, close. */
VICTIM(ask)
{
    int fd = dial(argv[1]);

    if (fd < 0) {
        say("connect %s", word_of(fd));
        return 0;
    }
    int error = ask(fd);
    say("%s", word_of(error));
    close(fd);
    return 0;
}

/* hold ADDRESS: connects, waits, asks. */
VICTIM(hold)
{
    int fd = dial(argv[1]);

    say("%s", word_of(fd < 0 ? fd : 0));
    if (fd < 0)
        return 0;
    pause_here();
    say("%s", word_of(ask(fd)));
    return 0;
}
