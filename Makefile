# SPDX-License-Identifier: Apache-2.0
# cprof: `make help` says what there is. V=1 shows commands, CC=clang works, B= is where everything is built.
# ARCH=aarch64 builds for that machine, in build-aarch64: scripts/debian/cross.mk says with what.
include scripts/debian/cross.mk
VERSION := $(shell sed -n 's/^.define CPROF_VERSION "\(.*\)"/\1/p' uploader/options/options.h)
PREFIX ?= /usr/local
# The library, and the programs that it starts. The library looks for them in ../libexec/cprof and beside itself.
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec/cprof

# SAN, e.g. SAN=-fsanitize=address,undefined, is for a build directory of its own (scripts/check sets both).
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
BASE = -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -MMD -MP -MF $@.d $(SAN)
# What is installed does not hold the path that it was built at.
SHIPPED := $(WARN) '-ffile-prefix-map=$(CURDIR)=.'
# -fexceptions: C++ exceptions and cancellation pass through hooks. Initial-exec: one load per thread-local access.
LIB_FLAGS = $(BASE) $(SHIPPED) -fPIC -fvisibility=hidden -fexceptions -fno-plt -ftls-model=initial-exec \
	-fno-stack-protector -fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc
LIB_LINK := -shared -Wl,-soname,libcprof.so -Wl,-z,now,-z,relro,-z,nodelete -Wl,--no-undefined -Wl,--as-needed
comma := ,
# The uploader's own allocator comes first, so that no library of its brings another one; not under a sanitizer.
UPLOADER_LIBS := $(if $(SAN),-Wl$(comma)--as-needed,-ljemalloc) -Wl,--as-needed -lcurl -lmicrohttpd -lprotobuf-c -ldw -lelf \
	-lunwind-ptrace -lunwind-generic -lunwind -liberty -lz -llzma -lzstd -ldl -lm -pthread

LIB_SRC := $(wildcard sampler/*/*.c preload/*.c preload/*/*.c hooks/*/*.c)
# Folders of folders are two deep at most. The keeper is a program of its own, and the bundle has a start of its own.
UP_SRC := $(filter-out uploader/keeper/% uploader/bundle/%,$(wildcard uploader/*/*.c uploader/*/*/*.c)) \
	$(wildcard sampler/segment/*.c analysis/*/*.c analysis/*/*/*.c)
PROTO := $(wildcard uploader/*/*.proto uploader/*/*/*.proto)
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
.PHONY: help all demo test test-kernels test-arm64 test-roots test-fresh check format coverage bench fuzz bundle install uninstall clean units targets benches fuzzers setup setup-demo setup-test setup-check setup-bench

all: $(B)/libcprof.so $(B)/cprof-uploader $(B)/cprof-keeper ## build the library and the uploader (the default)

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/  make \1	\2/p' Makefile packaging/packages.mk | expand -t 20

# On all processors, unless -j says otherwise.
jobs = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

demo: setup-demo ## profile redis-server under load and show what was found
	$(Q)$(MAKE) $(jobs) all
	$(Q)scripts/demo
test: setup-test ## unit tests, target programs, whole sessions, real programs; T=name picks some
	$(Q)$(MAKE) $(jobs) all units targets bundle
	$(Q)tests/run --build=$(B) $(T)
check: setup-check ## format, lint, layers, exported symbols, documents, sanitizers, short fuzzing
	$(Q)$(MAKE) $(jobs) all units
	$(Q)scripts/check
coverage: setup-test ## the share of each folder's lines that the tests run; T=name picks some
	$(Q)scripts/coverage $(T)
format: setup-check ## lay out every C file as .clang-format says
	$(Q)scripts/format
test-kernels: ## the same programs under Linux 5.10, 6.1, 6.12 and the newest, in qemu; K="oldest newest" picks some
	$(Q)scripts/setup kernels
	$(Q)$(MAKE) $(jobs) all targets
	$(Q)tests/kernels/run --build=$(B) $(K)
test-arm64: ## ARCH=aarch64 in qemu, under Debian's kernel: unit tests, target programs, sessions; T=name picks some
	$(Q)scripts/setup arm64
	$(Q)$(MAKE) $(jobs) ARCH=aarch64 all units targets
	$(Q)tests/kernels/run --build=build-aarch64 --arch=arm64 6.12 $(if $(T),-- $(T))
test-roots: ## as root: the bundle under glibc 2.31, 2.36, 2.41, 2.43 and musl; R="2.31 musl -- target/" picks some
	$(Q)scripts/setup roots
	$(Q)$(MAKE) $(jobs) bundle
	$(Q)tests/roots/run --build=$(B) $(R)
test-fresh: ## as root: make demo and make test in a new Debian 12 with make and git alone
	$(Q)scripts/setup fresh
	$(Q)tests/fresh
bench: setup-bench ## bare, floor, cprof and its peers in one table; BENCH_QUICK=1: fewer rounds
	$(Q)$(MAKE) $(jobs) all benches
	$(Q)scripts/bench
fuzz: setup-check ## fuzz everything that reads foreign bytes, FUZZ_TIME=60 seconds each
	$(Q)scripts/fuzz
bundle: all $(B)/bundle/cprof-uploader ## build/bundle/cprof: one directory that runs in any image, with its own C library
	$(call say,BUNDLE,$(B)/bundle/cprof)
	$(Q)CC="$(CC)" VERSION=$(VERSION) scripts/bundle $(B)
install: all ## into $(DESTDIR)$(PREFIX), /usr/local by default; LIBDIR and LIBEXECDIR move parts of it
	$(Q)packaging/install install "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)" "$(LIBEXECDIR)" "$(B)"
uninstall: ## the reverse
	$(Q)packaging/install uninstall "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)" "$(LIBEXECDIR)"
clean: ## remove what was built
	$(Q)rm -rf $(B)
setup:
	$(Q)scripts/setup
setup-demo setup-test setup-check setup-bench:
	$(Q)scripts/setup $(@:setup-%=%)

units: $(UNIT)
targets: $(TARGETS) $(UNWIND)
benches: $(BENCH)
fuzzers: $(FUZZ)

$(B)/libcprof.so: $(LIB_OBJ) $(B)/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) $(LIB_LINK) -Wl,--version-script=$(B)/exports.map $(LIB_OBJ) -o $@

$(B)/exports.map: scripts/exports preload/real/table.h $(wildcard include/cprof/*.h) | $(SYSROOT_READY)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)CC="$(CC)" scripts/exports > $@

$(B)/cprof-uploader: $(UP_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) $(UP_OBJ) $(UPLOADER_LIBS) -Wl,--export-dynamic-symbol=cprof_own_program -o $@

# The uploader of a bundle finds its loader and libraries in lib/ beside itself, before anybody's LD_LIBRARY_PATH.
$(B)/bundle/cprof-uploader: $(UP_OBJ) $(B)/bundle/start.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) $^ $(UPLOADER_LIBS) -Wl,--export-dynamic-symbol=cprof_own_program -o $@ \
		-Wl,-e,start_bundle -Wl,--no-dynamic-linker -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/lib'
# Free-standing: it runs before the loader, and may call no function of libc.
$(B)/bundle/start.o: uploader/bundle/start.c | $(SYSROOT_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(BASE) $(SHIPPED) -fPIE -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns -c $< -o $@

# Static: what it needs is resident once, and no library can be missing or changed. A sanitizer needs a dynamic one.
$(B)/cprof-keeper: uploader/keeper/main.c | $(SYSROOT_READY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(BASE) $(SHIPPED) $(LDFLAGS) $(if $(SAN),,-static) $< -o $@

$(B)/lib/%.o: %.c | $(SYSROOT_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LIB_FLAGS) -c $< -o $@

$(B)/up/%.o: %.c | $(PB_H) $(SYSROOT_READY)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(BASE) $(SHIPPED) -c $< -o $@
$(B)/up/uploader/page/page.o: $(B)/report/report.html
$(B)/up/uploader/page/page.o: CPPFLAGS += -Wa,-I$(B)

# The page of reports, out of report/ and of what is in report/libraries.lock.
$(B)/report/report.html: scripts/report-page $(wildcard report/* report/*/*)
	$(call say,PAGE,$@)
	$(Q)scripts/report-page $@

$(B)/%.pb-c.c $(B)/%.pb-c.h &: %.proto
	$(call say,GEN,$(B)/$*.pb-c.c)
	@mkdir -p $(@D)
	$(Q)if [ -e generated/$*.pb-c.c ]; then cp generated/$*.pb-c.[ch] $(@D); else protoc-c --c_out=$(B) $<; fi
$(B)/%.pb-c.o: $(B)/%.pb-c.c | $(SYSROOT_READY)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(BASE) '-ffile-prefix-map=$(CURDIR)=.' -c $< -o $@

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
$(B)/tests/%.so: tests/%.c | $(SYSROOT_READY)
	$(compile_test)
	$(Q)$(CC) -O2 -g $(BASE) -fPIC -shared $< -o $@ $(own_flags) -ldl -pthread
$(B)/tests/%: tests/%.c | $(SYSROOT_READY)
	$(compile_test)
	$(Q)$(CC) -O1 -g $(BASE) -Wall $< -o $@ $(own_flags) -pthread -ldl -lm
$(B)/tests/%: tests/%.cc | $(SYSROOT_READY)
	$(compile_test)
	$(Q)$(CXX) -std=gnu++17 -O1 -g -I. -MMD -MP -MF $@.d -Wall $< -o $@ $(own_flags) -pthread -ldl

include packaging/packages.mk
-include $(addsuffix .d,$(B)/cprof-keeper $(B)/bundle/start.o $(LIB_OBJ) $(UP_OBJ) $(UNIT) $(TARGETS) $(UNWIND) $(BENCH) $(FUZZ))
