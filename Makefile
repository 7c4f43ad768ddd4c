# shearpin: `make help` lists what there is to make. Sources are found, not listed: adding a file
# needs no edit here.

PREFIX     ?= /usr/local
prefix     ?= $(PREFIX)
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
datadir    ?= $(prefix)/share
docdir     ?= $(datadir)/doc/shearpin
mandir     ?= $(datadir)/man
compdir    ?= $(datadir)/bash-completion/completions
pkglibdir   = $(libdir)/shearpin
INSTALL    ?= install
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
WERROR     ?= -Werror
BUILD      ?= build

ifeq ($(V),1)
quiet =
else
quiet = @printf '  %-7s %s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$(2))';
.SILENT:
endif

MAKEFLAGS += --no-print-directory
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
WARN     = -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes
ALL_CPPFLAGS = -D_GNU_SOURCE -Isrc -Iinclude $(CPPFLAGS)

# What stands in the .so is compiled once, for the .so, and serves the command and the tests too.
# FORTIFY would call the very _chk twins that the shim exports; the TLS model keeps ld.so out of
# NEEDED; without a PLT a call out of a wrapper is one instruction; code and constants in one mapping
# make every start cheaper, and so do calls of our own names that nobody looks up, and nothing of the
# compiler's that runs at a start.
LIB_CFLAGS = -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-plt \
             -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 $(PACKED)
# Padding between tables of pointers is more pages to put right at a start: gcc can do without.
PACKED := $(shell $(CC) -malign-data=abi -E -xc /dev/null >/dev/null 2>&1 && \
            echo -malign-data=abi)
LIB_LDFLAGS = -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,defs -Wl,-z,noexecstack \
              -Wl,-z,noseparate-code -Wl,-Bsymbolic-functions -nostartfiles \
              -Wl,-T,$(BUILD)/start.ld -Wl,--version-script=$(BUILD)/shim.map

sources  = $(wildcard $(foreach d,$(1),src/$(d)/*.c))
objects  = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))
CORE_SRC = $(call sources,base policy state guard fault)
CONN_SRC = $(call sources,conn)
TEXT_SRC = $(call sources,reply)
SHIM_SRC = $(call sources,shim) $(wildcard src/shim/stubs_$(MACHINE).S)
CLI_SRC  = $(call sources,cli)
UNIT_SRC = $(wildcard tests/unit/*.c)
TRAP_SRC = $(wildcard tests/shim/*.c)
CORE     = $(call objects,$(CORE_SRC))
# What every start runs, reads and writes stands together, on as few pages as possible.
START    = $(call objects,$(addprefix src/,shim/start.c shim/real.c shim/loaded.c shim/object.c \
           base/random.c policy/named.c state/place.c state/segment.c state/process.c conn/here.c \
           conn/due.c shim/fresh.c shim/fd.c shim/stubs_$(MACHINE).S))
LIB      = $(START) $(filter-out $(START),$(CORE) $(call objects,$(CONN_SRC) $(SHIM_SRC)))
CLI      = $(CORE) $(call objects,$(TEXT_SRC) $(CLI_SRC))
UNIT     = $(CORE) $(call objects,$(TEXT_SRC) $(CONN_SRC) $(UNIT_SRC))
TRAP     = $(CORE) $(call objects,$(TRAP_SRC))
HELPERS  = $(patsubst tests/shim/lib/%.c,$(BUILD)/tests/lib%.so,$(wildcard tests/shim/lib/*.c)) \
           $(patsubst tests/bench/%.c,$(BUILD)/tests/%,$(wildcard tests/bench/*.c)) \
           $(patsubst tests/soak/%.c,$(BUILD)/tests/%,$(wildcard tests/soak/*.c)) \
           $(BUILD)/tests/libforward.so
EVERY    = $(CORE_SRC) $(TEXT_SRC) $(CONN_SRC) $(SHIM_SRC) $(CLI_SRC) $(UNIT_SRC) $(TRAP_SRC)

PROGRAMS = $(BUILD)/libshearpin.so $(BUILD)/shearpin
TESTS    = $(BUILD)/tests/unit $(BUILD)/tests/shim $(HELPERS)

.PHONY: all
all: $(PROGRAMS)

# --- rules ---

# A file that changes only when its text does: what depends on it is made again only then.
.PHONY: FORCE
FORCE:
define settled
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	    printf '%s\n' '$(subst ','\'',$(1))' >$@
endef

# What one command wants more, and the others do without.
HTTP_CFLAGS ?= $(shell $(PKG_CONFIG) --exists libmicrohttpd && \
    echo -DSP_WITH_HTTP $$($(PKG_CONFIG) --cflags libmicrohttpd))

$(BUILD)/flags: FORCE
	$(call settled,$(CC) $(MACHINE) $(ALL_CPPFLAGS) $(CFLAGS) $(WARN) $(LIB_CFLAGS) $(pkglibdir) \
	    $(HTTP_CFLAGS))
$(BUILD)/sources: FORCE
	$(call settled,$(EVERY) $(LDFLAGS))

COMPILE = $(CC) -std=gnu17 $(CFLAGS) $(WARN) $(ALL_CPPFLAGS) $(OBJ_FLAGS) -MMD -MP -c -o $@ $<
OBJ_FLAGS = $(LIB_CFLAGS)
$(BUILD)/obj/src/cli/%.o: OBJ_FLAGS = -DSP_LIBDIR='"$(pkglibdir)"' \
    $(shell $(PKG_CONFIG) --cflags libbsd) $(HTTP_CFLAGS)
$(BUILD)/obj/src/cli/page.o: src/cli/page.html
$(BUILD)/obj/tests/%.o: OBJ_FLAGS = -I$(BUILD)/tests -Itests $(shell $(PKG_CONFIG) --cflags check)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,CC,$<) $(COMPILE)
$(BUILD)/obj/%.o: %.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,AS,$<) $(CC) $(CFLAGS) $(ALL_CPPFLAGS) -fPIC -MMD -MP -c -o $@ $<

# The one list of symbols makes the list of exports; the version script must have no version name,
# or the wrappers no longer match what programs ask for and intercept nothing.
$(BUILD)/symbols.txt: src/shim/symbols.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,GEN,$@) printf '#include "%s"\n#define X(name, ...) =name\nSP_SYMBOLS(X)\n' $< | \
	    $(CC) -E -P $(ALL_CPPFLAGS) -I. - | tr ' ' '\n' | sed -n 's/^=//p' | LC_ALL=C sort >$@
$(BUILD)/shim.map: $(BUILD)/symbols.txt
	$(call quiet,GEN,$@) { echo '{ global:'; sed 's/$$/;/' $<; echo 'local: *; };'; } >$@

# Added to the linker's own rules: constants of the start go beside its code, and zeros into the
# file, for a mapping of their own costs a start more. What is made read-only stays where it is.
$(BUILD)/start.ld: FORCE
	$(call settled,SECTIONS { .text.start : { \
	    $(addsuffix (.text .rodata .rodata.*),$(START)) } } INSERT BEFORE .text; SECTIONS { .data.start : { *(.data.hot) \
	    $(addsuffix (.data .data.rel .data.rel.local .bss),$(START)) \
	    *(.data .data.rel .data.rel.local .bss .bss.* COMMON) } } INSERT AFTER .data;)

$(BUILD)/libshearpin.so: $(LIB) $(BUILD)/shim.map $(BUILD)/start.ld $(BUILD)/sources
	$(call quiet,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) $(LIB_LDFLAGS) -o $@ $(LIB)

# Before glibc 2.34 these were libraries of their own.
SPLIT_LIBS = -pthread -ldl

$(BUILD)/shearpin: $(CLI) $(BUILD)/sources
	$(call quiet,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(CLI) \
	    $(shell $(PKG_CONFIG) --libs libbsd) $(SPLIT_LIBS) $(LDLIBS)

# --- tests ---

# Every tests/*/test_NAME.c holds `Suite *suite_NAME(void)`.
$(BUILD)/tests/%_suites.h: FORCE
	$(call settled,$(patsubst tests/$*/test_%.c,X(%),$(sort $(wildcard tests/$*/test_*.c))))
$(call objects,tests/unit/main.c): $(BUILD)/tests/unit_suites.h
$(call objects,tests/shim/main.c): $(BUILD)/tests/shim_suites.h

$(BUILD)/tests/unit: $(UNIT) $(BUILD)/sources
	$(call quiet,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(UNIT) \
	    $(shell $(PKG_CONFIG) --libs check) $(SPLIT_LIBS) $(LDLIBS)
$(BUILD)/tests/shim: $(TRAP) $(BUILD)/sources
	$(call quiet,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(TRAP) \
	    $(shell $(PKG_CONFIG) --libs check) $(SPLIT_LIBS) $(LDLIBS)
$(BUILD)/tests/%: tests/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,LD,$@) $(CC) -std=gnu17 $(CFLAGS) $(WARN) $(ALL_CPPFLAGS) $(LDFLAGS) -o $@ $< $(SPLIT_LIBS)
$(BUILD)/tests/%: tests/soak/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,LD,$@) $(CC) -std=gnu17 $(CFLAGS) $(WARN) $(ALL_CPPFLAGS) $(LDFLAGS) -o $@ $< $(SPLIT_LIBS)
$(BUILD)/tests/lib%.so: tests/shim/lib/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,LD,$@) $(CC) -std=gnu17 $(CFLAGS) $(WARN) $(ALL_CPPFLAGS) -fPIC -shared \
	    $(LDFLAGS) -o $@ $<
$(BUILD)/tests/libbehind.so: LDFLAGS += -Wl,--hash-style=sysv
$(BUILD)/tests/libforward.so: tests/bench/lib/forward.c src/shim/symbols.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(call quiet,LD,$@) $(CC) -std=gnu17 $(CFLAGS) $(WARN) $(ALL_CPPFLAGS) -fPIC -shared \
	    $(LDFLAGS) -Wl,-z,now -Wl,-z,initfirst -o $@ $<

.PHONY: tests deps deps-tests check check-run
tests: all $(TESTS)
deps:
	scripts/install-deps
deps-tests:
	scripts/install-deps --tests
check:
	scripts/install-deps --tests --bench
	$(MAKE) check-run
check-run: tests
	BUILD=$(BUILD) scripts/run-tests

.PHONY: demo
demo: deps
	$(MAKE) all
	BUILD=$(BUILD) scripts/demo

# What is measured goes into build/bench/latest.json, and from there into docs/performance.md.
# BENCH=row,row PAIRS=n BENCH_SECONDS=s choose; BENCH=? lists the rows.
BENCHES = bench bench-quick bench-growth bench-outage bench-report
# Half an hour, or SOAK_SECONDS; CI runs a short one.
.PHONY: soak walks
soak: deps-bench tests
	BUILD=$(BUILD) tests/soak/soak.py
# An hour, or WALK_SECONDS; CI makes a few.
walks: deps-tests tests
	BUILD=$(BUILD) tests/soak/walks.py

.PHONY: $(BENCHES) bench-instructions deps-bench
deps-bench:
	scripts/install-deps --bench
bench bench-quick bench-growth bench-outage: deps-bench
	$(MAKE) tests
	BUILD=$(BUILD) tests/bench/bench.py $(patsubst bench-%,%,$(@:bench=bench-rows))
bench-report:
	BUILD=$(BUILD) tests/bench/bench.py report
bench-instructions: tests
	BUILD=$(BUILD) tests/bench/instructions

# --- other builds: each in its own folder below build/ ---

SUB = $(MAKE) BUILD=$(BUILD)/$@
.PHONY: debug asan tsan asan-build tsan-build
ASAN_FLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
             -fno-sanitize-recover=undefined
TSAN_FLAGS = -O1 -g -fsanitize=thread -Wno-tsan
debug:
	+$(SUB) CFLAGS='-O0 -g3' tests
asan-build:
	+$(MAKE) BUILD=$(BUILD)/asan CFLAGS='$(ASAN_FLAGS)' tests
tsan-build:
	+$(MAKE) BUILD=$(BUILD)/tsan CFLAGS='$(TSAN_FLAGS)' tests
asan tsan:
	+BUILD=$(BUILD) scripts/sanitize --all $@

# Fuzzers run for FUZZ_SECONDS each; what they find stays in build/fuzz/NAME.
FUZZ_SECONDS ?= 300
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz fuzz-build fuzzers
fuzz-build:
	+$(MAKE) BUILD=$(BUILD)/fuzz CC=clang CFLAGS='-O1 -g \
	    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' fuzzers
fuzz: fuzz-build
	BUILD=$(BUILD)/$@ FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(FUZZERS)
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz_%)
# The segment's has all commands in it, two of them by their text, and what programs do besides.
$(BUILD)/fuzz_segment: $(filter-out %/cli/main.o %/cli/serve.o,$(call objects,$(CLI_SRC))) \
    $(BUILD)/obj/tests/fuzz/segment.o
$(BUILD)/fuzz_%: $(CORE) $(call objects,$(TEXT_SRC)) $(BUILD)/obj/tests/fuzz/fuzz_%.o
	$(call quiet,LD,$@) $(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $^ \
	    $(shell $(PKG_CONFIG) --libs libbsd)

# --- the house ---

STYLED = $(wildcard include/shearpin/*.h src/*/*.[ch] tests/*/*.[ch] tests/*/lib/*.c)
SCRIPTS = $(shell grep -lE '^\#!.*\b(sh|bash)$$' scripts/* tests/*/* .ci/* 2>/dev/null) \
          $(wildcard tests/apps/*.sh)
.PHONY: format lint analyse
format:
	clang-format -i $(STYLED)
lint:
	scripts/check-house
	clang-format --dry-run -Werror $(STYLED)
	shellcheck $(sort $(SCRIPTS))
	$(MAKE) BUILD=$(BUILD)/clang CC=clang tests
	BUILD=$(BUILD) scripts/analyse
analyse:
	BUILD=$(BUILD) NODES=225000 scripts/analyse

# --- install ---

# The manual and what bash completes come out of the command itself.
.PHONY: man
man: $(BUILD)/shearpin.1 $(BUILD)/shearpin.bash
$(BUILD)/shearpin.1 $(BUILD)/shearpin.bash: $(BUILD)/shearpin
	$(call quiet,GEN,$@) $< help $(patsubst .1,man,$(patsubst .bash,bash,$(suffix $@))) >$@

.PHONY: install uninstall
install: all man
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(pkglibdir) $(DESTDIR)$(docdir)/policies/answers \
	    $(DESTDIR)$(docdir)/docs
	$(INSTALL) -m 755 $(BUILD)/shearpin $(DESTDIR)$(bindir)/shearpin
	$(INSTALL) -m 644 $(BUILD)/libshearpin.so $(DESTDIR)$(pkglibdir)/libshearpin.so
	$(INSTALL) -m 644 README.md $(DESTDIR)$(docdir)
	$(INSTALL) -m 644 $(wildcard docs/*.md docs/*.svg) $(DESTDIR)$(docdir)/docs
	$(INSTALL) -m 644 $(wildcard policies/*.conf) $(DESTDIR)$(docdir)/policies
	$(INSTALL) -m 644 $(wildcard policies/answers/*) $(DESTDIR)$(docdir)/policies/answers
	$(INSTALL) -d $(DESTDIR)$(datadir)/shearpin $(DESTDIR)$(compdir) \
	    $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man7
	$(INSTALL) -m 644 $(BUILD)/shearpin.1 $(DESTDIR)$(mandir)/man1
	$(INSTALL) -m 644 docs/shearpin-json.7 $(DESTDIR)$(mandir)/man7
	$(INSTALL) -m 644 $(BUILD)/shearpin.bash $(DESTDIR)$(compdir)/shearpin
	$(INSTALL) -m 644 $(wildcard share/*) $(DESTDIR)$(datadir)/shearpin
uninstall:
	rm -f $(DESTDIR)$(bindir)/shearpin $(DESTDIR)$(compdir)/shearpin \
	    $(DESTDIR)$(mandir)/man1/shearpin.1 $(DESTDIR)$(mandir)/man7/shearpin-json.7
	rm -rf $(DESTDIR)$(pkglibdir) $(DESTDIR)$(docdir) $(DESTDIR)$(datadir)/shearpin

.PHONY: clean help
clean:
	rm -rf $(BUILD)
help:
	@echo 'make                     libshearpin.so and shearpin, in build/'
	@echo 'make demo                a dependency fails and recovers; what two programs see of it'
	@echo 'make check               every test; installs the Debian packages it misses'
	@echo 'make debug|asan|tsan     in build/debug|asan|tsan: the tests built so | built and run'
	@echo 'make lint|format         style, static checks | rewrite in the style'
	@echo 'make analyse             cppcheck, gcc -fanalyzer, clang-tidy, scan-build, as deep as they go'
	@echo 'make fuzz                run the fuzzers, FUZZ_SECONDS=300 each'
	@echo 'make bench               time against bare, and against proxies and other libraries (25 minutes)'
	@echo 'make bench-growth|outage what grows with what | a dependency hangs   bench-report: the page'
	@echo 'make bench-instructions  what calls cost in instructions; a rise of 3 % fails'
	@echo 'make soak                programs of all kinds under trouble, SOAK_SECONDS=1800; SOAK_CONNECTIONS=1000000'
	@echo 'make walks               random calls, bare and guarded, must come out alike; WALK_SECONDS=3600 WALK_SEED='
	@echo 'make man                 shearpin(1) and what bash completes, in build/'
	@echo 'make install|uninstall   PREFIX=/usr/local DESTDIR= libdir='
	@echo 'V=1 shows commands; BUILD=DIR builds elsewhere; CC, CFLAGS, LDFLAGS are yours'

-include $(patsubst %.o,%.d,$(call objects,$(EVERY)))
