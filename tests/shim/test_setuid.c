/* With AT_SECURE set the shim sleeps, however it was loaded. */
#include "harness.h"

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/stat.h>

/* secure LIBRARY ADDRESS: ld.so ignores the preload here, so the library is loaded by hand. */
VICTIM(secure)
{
    void *library = dlopen(argv[1], RTLD_NOW);
    __typeof__(connect) *wrapped;
    struct sockaddr_storage to;
    socklen_t length;
    int up = 0;

    if (!library)
        return 1;
    wrapped = (__typeof__(connect) *)dlsym(library, "connect");
    for (int i = 0; i < 2; i++) {
        int fd = socket_for(argv[2], 0, &to, &length);

        up += wrapped(fd, (struct sockaddr *)&to, length) == 0;
    }
    say("%s %d", getauxval(AT_SECURE) ? "secure" : "plain", up);
    return 0;
}

static void copy_self(const char *to)
{
    char block[65536];
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ssize_t got;

    while ((got = read(in, block, sizeof block)) > 0)
        ck_assert_int_eq(write(out, block, (size_t)got), got);
    ck_assert_int_eq(fchown(out, 65501, 65501), 0);
    ck_assert_int_eq(fchmod(out, 04755), 0);
    close(in);
    close(out);
}

/* The world stands in /dev/shm, which honours no setuid bit: the copy stands with the programs. */
START_TEST(sleeps_when_secure)
{
    char copy[64], *library = strdup(world_tool("libshearpin.so"));

    if (geteuid() != 0) {
        SKIP("only root can give a file to another user");
        return;
    }
    if (getenv("PRELOAD_BEFORE")) {
        SKIP("a sanitizer wants to come first");
        return;
    }
    struct server *server = server_start(AF_INET, ECHO);
    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_int_eq(chmod(world_file(""), 0777), 0);
    snprintf(copy, sizeof copy, "/tmp/shearpin-secure.%d", getpid());
    copy_self(copy);
    struct victim *victim =
        victim_exec((char *[]){copy, "--victim", "secure", library, server->text, NULL});
    const char *said = victim_hear(victim);
    ck_assert_int_eq(victim_end(victim), 0);
    unlink(copy);
    if (!strncmp(said, "plain", 5)) {
        SKIP("/tmp is mounted nosuid");
        return;
    }
    ck_assert_str_eq(said, "secure 2");
    ck_assert(!world_has_segment());
    ck_assert_uint_eq(world_log(NULL, 0), 0);
    free(library);
}
END_TEST

SCENARIO(setuid, sleeps_when_secure)
