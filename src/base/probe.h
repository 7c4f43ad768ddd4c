/*
 * probe.h - places that bpftrace, perf and gdb can watch from outside: one nop each, and nothing at
 * all where a build finds no <sys/sdt.h> (Debian: systemtap-sdt-dev). docs/probes.md lists them.
 *
 *     SP_PROBE(reject, dest->name, verdict);
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#if __has_include(<sys/sdt.h>) && !defined SP_PROBES_OFF
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define SP_PROBE(name, ...) STAP_PROBEV(shearpin, name, __VA_ARGS__)
#else
#define SP_PROBE(name, ...) ((void)0)
#endif

#endif
