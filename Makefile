# SPDX-License-Identifier: Apache-2.0
# cprof: `make help` says what there is. V=1 shows commands, CC=clang works, B= is where everything is built.
ifeq ($(origin CC),default)
CC := gcc
endif
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
VERSION := 0.1.0
PREFIX ?= /usr/local
B ?= build

# SAN, e.g. SAN=-fsanitize=address,undefined, is for a build directory of its own (scripts/check sets both).
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
BASE = -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -MMD -MP -MF $@.d $(SAN)
# -fexceptions: C++ exceptions and cancellation pass through hooks. Initial-exec: one load per thread-local access.
LIB_FLAGS = $(BASE) $(WARN) -fPIC -fvisibility=hidden -fexceptions -fno-plt -ftls-model=initial-exec \
	-fno-stack-protector -fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc
LIB_LINK := -shared -Wl,-soname,libcprof.so -Wl,-z,now,-z,relro,-z,nodelete -Wl,--no-undefined -Wl,--as-needed
comma := ,
# The uploader's own allocator comes first, so that no library of its brings another one; not under a sanitizer.
UPLOADER_LIBS := $(if $(SAN),-Wl$(comma)--as-needed,-ljemalloc) -Wl,--as-needed -lcurl -lprotobuf-c -ldw -lelf \
	-lunwind-ptrace -lunwind-generic -lunwind -liberty -lz -llzma -ldl -pthread

LIB_SRC := $(wildcard sampler/*/*.c preload/*.c preload/*/*.c hooks/*/*.c)
# Folders of folders are two deep at most. The keeper is a program of its own.
UP_SRC := $(filter-out uploader/keeper/%,$(wildcard uploader/*/*.c uploader/*/*/*.c)) sampler/segment/settings.c
PROTO := $(wildcard uploader/*/*.proto)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/lib/%.o)
PB_C := $(PROTO:%.proto=$(B)/%.pb-c.c)
PB_H := $(PB_C:.c=.h)
UP_OBJ := $(UP_SRC:%.c=$(B)/up/%.o) $(PB_C:.c=.o)
# What unit tests and fuzzers pick objects from.
ARCHIVES := $(B)/libuploader.a $(B)/libsampler.a

programs = $(patsubst %,$(B)/%,$(basename $(wildcard $(foreach f,$(1),tests/$(f)))))
UNIT := $(call programs,unit/test_*.c unit/*/test_*.c unit/*/*/test_*.c unit/*/*/*/test_*.c unwind/test_*.c)
TARGETS := $(call programs,targets/*.c targets/*.cc)
BENCH := $(filter-out $(B)/tests/bench/lib%,$(call programs,bench/*.c)) \
	$(addsuffix .so,$(filter $(B)/tests/bench/lib%,$(call programs,bench/lib*.c)))
UNWIND := $(patsubst %/compare,%/compare.so,$(filter-out $(UNIT),$(call programs,unwind/*.c unwind/*.cc)))
FUZZ := $(call programs,fuzz/fuzz_*.c)

ifneq ($(V),1)
Q := @
say = @$(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,printf '  %-6s %s\n' '$(1)' '$(2)')
endif
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help all demo test test-kernels test-fresh check format coverage bench fuzz install uninstall clean units targets benches fuzzers setup setup-demo

all: $(B)/libcprof.so $(B)/cprof-uploader $(B)/cprof-keeper ## build the library and the uploader (the default)

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

demo: setup-demo ## profile redis-server under load and show what was found
	$(Q)$(MAKE) all
	$(Q)scripts/demo
test: setup ## unit tests, target programs, whole sessions, real programs; T=name picks some
	$(Q)$(MAKE) all units targets
	$(Q)tests/run --build=$(B) $(T)
check: setup ## format, lint, layers, exported symbols, documents, sanitizers, short fuzzing
	$(Q)$(MAKE) all units
	$(Q)scripts/check
coverage: setup ## the share of each folder's lines that the tests run; T=name picks some
	$(Q)scripts/coverage $(T)
format: setup ## lay out every C file as .clang-format says
	$(Q)scripts/format
test-kernels: ## the same programs under Linux 5.10, 6.1, 6.12 and the newest, in qemu; K="oldest newest" picks some
	$(Q)scripts/setup kernels
	$(Q)$(MAKE) all targets
	$(Q)tests/kernels/run --build=$(B) $(K)
test-fresh: ## as root: make demo and make test in a new Debian 12 with make and git alone
	$(Q)scripts/setup fresh
	$(Q)tests/fresh
bench: setup ## bare, floor, cprof and its peers in one table; BENCH_QUICK=1: fewer rounds
	$(Q)$(MAKE) all benches
	$(Q)scripts/bench
fuzz: setup ## fuzz everything that reads foreign bytes, FUZZ_TIME=60 seconds each
	$(Q)scripts/fuzz
install: all ## into $(DESTDIR)$(PREFIX), /usr/local by default
	$(Q)install -D -m 755 $(B)/libcprof.so $(DESTDIR)$(PREFIX)/lib/libcprof.so
	$(Q)install -D -m 755 $(B)/cprof-uploader $(DESTDIR)$(PREFIX)/libexec/cprof/cprof-uploader
	$(Q)install -D -m 755 $(B)/cprof-keeper $(DESTDIR)$(PREFIX)/libexec/cprof/cprof-keeper
	$(Q)install -D -m 755 scripts/cprof $(DESTDIR)$(PREFIX)/bin/cprof
	$(Q)install -D -m 644 scripts/cprof.1 $(DESTDIR)$(PREFIX)/share/man/man1/cprof.1
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/cprof $(wildcard include/cprof/*.h)
uninstall: ## the reverse
	$(Q)cd $(DESTDIR)$(PREFIX) && rm -rf lib/libcprof.so libexec/cprof bin/cprof share/man/man1/cprof.1 include/cprof
clean: ## remove what was built
	$(Q)rm -rf $(B)
setup:
	$(Q)scripts/setup
setup-demo:
	$(Q)scripts/setup demo

units: $(UNIT)
targets: $(TARGETS) $(UNWIND)
benches: $(BENCH)
fuzzers: $(FUZZ)

$(B)/libcprof.so: $(LIB_OBJ) $(B)/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LIB_LINK) -Wl,--version-script=$(B)/exports.map $(LIB_OBJ) -o $@

$(B)/exports.map: scripts/exports preload/real/table.h $(wildcard include/cprof/*.h)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)CC="$(CC)" scripts/exports > $@

$(B)/cprof-uploader: $(UP_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(UP_OBJ) $(UPLOADER_LIBS) -Wl,--export-dynamic-symbol=cprof_own_program -o $@

# Static: what it needs is resident once, and no library can be missing or changed. A sanitizer needs a dynamic one.
$(B)/cprof-keeper: uploader/keeper/main.c
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(BASE) $(WARN) $(if $(SAN),,-static) $< -o $@

$(B)/lib/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LIB_FLAGS) -c $< -o $@

$(B)/up/%.o: %.c | $(PB_H)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(BASE) $(WARN) -c $< -o $@
$(B)/up/uploader/sinks/files/report.o: uploader/sinks/files/report.html

$(B)/%.pb-c.c $(B)/%.pb-c.h &: %.proto
	$(call say,GEN,$(B)/$*.pb-c.c)
	@mkdir -p $(B)
	$(Q)protoc-c --c_out=$(B) $<
$(B)/%.pb-c.o: $(B)/%.pb-c.c
	$(Q)$(CC) $(CFLAGS) $(BASE) -c $< -o $@

$(B)/libuploader.a: $(filter-out $(B)/up/uploader/commands/main.o,$(UP_OBJ))
$(B)/libsampler.a: $(filter $(B)/lib/sampler/%,$(LIB_OBJ))
$(ARCHIVES):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# A test program's own needs stand in a comment line: "// build: -no-pie -fno-pie". -O1: frames stay frames.
own_flags = $(shell sed -n 's|^//.*build: ||p' $<)
define compile_test
	$(call say,TEST,$@)
	@mkdir -p $(@D)
endef
$(UNIT): $(B)/%: %.c $(ARCHIVES) | $(PB_H)
	$(compile_test)
	$(Q)$(CC) $(CFLAGS) -O1 $(BASE) $(WARN) $< -o $@ $(own_flags) $(ARCHIVES) $(ARCHIVES) -lcmocka $(UPLOADER_LIBS)
$(B)/tests/unit/uploader/handover/test_keeper: $(B)/cprof-keeper
$(FUZZ): $(B)/%: %.c $(ARCHIVES) | $(PB_H)
	$(compile_test)
	$(Q)$(CC) $(CFLAGS) $(BASE) $< -o $@ -fsanitize=fuzzer $(own_flags) $(ARCHIVES) $(ARCHIVES) $(UPLOADER_LIBS)
$(B)/tests/%.so: tests/%.c
	$(compile_test)
	$(Q)$(CC) -O2 -g $(BASE) -fPIC -shared $< -o $@ $(own_flags) -ldl -pthread
$(B)/tests/%: tests/%.c
	$(compile_test)
	$(Q)$(CC) -O1 -g $(BASE) -Wall $< -o $@ $(own_flags) -pthread -ldl -lm
$(B)/tests/%: tests/%.cc
	$(compile_test)
	$(Q)$(CXX) -std=gnu++17 -O1 -g -I. -MMD -MP -MF $@.d -Wall $< -o $@ $(own_flags) -pthread -ldl

-include $(addsuffix .d,$(B)/cprof-keeper $(LIB_OBJ) $(UP_OBJ) $(UNIT) $(TARGETS) $(UNWIND) $(BENCH) $(FUZZ))
