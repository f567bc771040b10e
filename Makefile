# SPDX-License-Identifier: Apache-2.0
# cprof: `make help` says what there is.
CC ?= gcc
VERSION := 0.1.0
PREFIX ?= /usr/local
B := build

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers
CFLAGS ?= -O2 -g
BASE := -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -MMD -MP $(WARN)
# -fexceptions: C++ exceptions and cancellation pass through hooks. Initial-exec: one load per thread-local access.
LIB_FLAGS := $(BASE) -fPIC -fvisibility=hidden -fexceptions -fno-plt -ftls-model=initial-exec -fno-stack-protector \
	-fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc
UPLOADER_LIBS := -lcurl -lprotobuf-c -ldw -lelf -lunwind-ptrace -lunwind-generic -lunwind -liberty -ljemalloc -lz

LIB_SRC := $(wildcard sampler/*.c preload/*.c hooks/*.c)
UP_SRC := $(wildcard uploader/*.c) sampler/settings.c
LIB_OBJ := $(LIB_SRC:%.c=$(B)/lib/%.o)
UP_OBJ := $(UP_SRC:%.c=$(B)/up/%.o) $(B)/up/profile.pb-c.o

ifneq ($(V),1)
Q := @
say = @printf '  %-6s %s\n' $(1) $(2)
endif

.DEFAULT_GOAL := all
.PHONY: all
all: $(B)/libcprof.so $(B)/cprof-uploader

$(B)/lib/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LIB_FLAGS) -c $< -o $@

$(B)/up/%.o: %.c $(B)/uploader/profile.pb-c.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(BASE) -c $< -o $@

-include $(LIB_OBJ:.o=.d) $(UP_OBJ:.o=.d)
