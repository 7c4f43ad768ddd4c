/*
 * symbols.h - every name that the library interposes: the one list from which the table of real
 * functions, the export map and the test of both are made. X(name)
 */
#ifndef SHEARPIN_SHIM_SYMBOLS_H
#define SHEARPIN_SHIM_SYMBOLS_H

#define SP_SYMBOLS(X)                                               \
    /* what most exchanges need, on as few cache lines as can be */ \
    X(connect)                                                      \
    X(socket)                                                       \
    X(setsockopt)                                                   \
    X(send)                                                         \
    X(recv)                                                         \
    X(write)                                                        \
    X(read)                                                         \
    X(close)                                                        \
    X(sendto)                                                       \
    X(recvfrom)                                                     \
    X(poll)                                                         \
    X(epoll_wait)                                                   \
    /* sending */                                                   \
    X(sendmsg)                                                      \
    X(sendmmsg)                                                     \
    X(writev)                                                       \
    X(pwritev2)                                                     \
    X(pwritev64v2)                                                  \
    X(sendfile)                                                     \
    X(sendfile64)                                                   \
    X(splice)                                                       \
    X(dprintf)                                                      \
    X(vdprintf)                                                     \
    X(__dprintf_chk)                                                \
    X(__vdprintf_chk)                                               \
    /* receiving */                                                 \
    X(recvmsg)                                                      \
    X(recvmmsg)                                                     \
    X(readv)                                                        \
    X(__recv_chk)                                                   \
    X(__recvfrom_chk)                                               \
    X(__read_chk)                                                   \
    /* waiting */                                                   \
    X(ppoll)                                                        \
    X(__poll_chk)                                                   \
    X(__ppoll_chk)                                                  \
    X(select)                                                       \
    X(pselect)                                                      \
    X(epoll_pwait)                                                  \
    X(epoll_pwait2)                                                 \
    /* ending */                                                    \
    X(close_range)                                                  \
    X(closefrom)                                                    \
    X(fclose)                                                       \
    X(fdopen)                                                       \
    X(shutdown)                                                     \
    /* copying fds */                                               \
    X(dup)                                                          \
    X(dup2)                                                         \
    X(dup3)                                                         \
    X(fcntl)                                                        \
    X(fcntl64)                                                      \
    X(ioctl)                                                        \
    /* new fds: the number means nothing yet */                     \
    X(socketpair)                                                   \
    X(accept)                                                       \
    X(accept4)                                                      \
    X(open)                                                         \
    X(open64)                                                       \
    X(openat)                                                       \
    X(openat64)                                                     \
    X(creat)                                                        \
    X(creat64)                                                      \
    X(__open_2)                                                     \
    X(__open64_2)                                                   \
    X(__openat_2)                                                   \
    X(__openat64_2)                                                 \
    X(pipe)                                                         \
    X(pipe2)                                                        \
    X(eventfd)                                                      \
    X(epoll_create)                                                 \
    X(epoll_create1)                                                \
    X(timerfd_create)                                               \
    X(signalfd)                                                     \
    X(inotify_init)                                                 \
    X(inotify_init1)                                                \
    X(memfd_create)                                                 \
    /* options */                                                   \
    X(getsockopt)                                                   \
    /* names */                                                     \
    X(getaddrinfo)                                                  \
    X(gethostbyname)                                                \
    X(gethostbyname2)                                               \
    X(gethostbyname_r)                                              \
    X(gethostbyname2_r)                                             \
    /* what TLS libraries say; found when they are used */          \
    X(SSL_read)                                                     \
    X(SSL_read_ex)                                                  \
    X(gnutls_record_recv)                                           \
    X(SSL_do_handshake)                                             \
    X(gnutls_handshake)                                             \
    /* processes */                                                 \
    X(fork)                                                         \
    X(vfork)                                                        \
    X(execve)                                                       \
    X(execv)                                                        \
    X(execvp)                                                       \
    X(execvpe)                                                      \
    X(execl)                                                        \
    X(execlp)                                                       \
    X(execle)                                                       \
    X(fexecve)                                                      \
    X(execveat)                                                     \
    X(posix_spawn)                                                  \
    X(posix_spawnp)                                                 \
    X(pidfd_spawn)                                                  \
    X(pidfd_spawnp)                                                 \
    X(system)                                                       \
    X(popen)                                                        \
    X(prctl)                                                        \
    X(syscall)

#endif
