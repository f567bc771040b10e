# SPDX-License-Identifier: Apache-2.0
# Which compiler builds, and for which machine. Included by Makefile.
#   ARCH       x86_64 or aarch64; this machine's by default
#   B          where everything is built: build, or build-ARCH for another machine
#   CC, CXX    gcc and g++, those of the other machine for it; CC=clang works for both
#   SYSROOT    headers and libraries of another machine: made of Debian's packages in B unless it is given. With
#              SYSROOT= they are where the compiler looks by itself, as with Debian's own multiarch packages.
HOST_ARCH := $(shell uname -m)
ARCH ?= $(HOST_ARCH)
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(ARCH),$(HOST_ARCH))
B ?= build
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
else
B ?= build-$(ARCH)
SUITE ?= bookworm
DEB_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,amd64,$(ARCH)))
TRIPLE := $(ARCH)-linux-gnu
SYSROOT ?= $(B)/sysroot
SYSROOT_READY := $(if $(filter $(B)/sysroot,$(SYSROOT)),$(B)/sysroot/.packages)
SYSROOT_PACKAGES := libc6-dev libstdc++-12-dev libcurl4-openssl-dev libmicrohttpd-dev libdw-dev libelf-dev libprotobuf-c-dev libunwind-dev \
	libiberty-dev libjemalloc-dev libdebuginfod1 zlib1g-dev liblzma-dev libzstd-dev libcmocka-dev
cross_flags := $(if $(SYSROOT),--sysroot=$(abspath $(SYSROOT)))
override CXX := $(if $(findstring clang,$(CC)),clang++ --target=$(TRIPLE),$(TRIPLE)-g++) $(cross_flags)
override CC := $(if $(findstring clang,$(CC)),$(CC) --target=$(TRIPLE),$(if $(filter gcc,$(CC)),$(TRIPLE)-gcc,$(CC))) $(cross_flags)
AR := $(TRIPLE)-ar

$(B)/sysroot/.packages: scripts/debian/cross.mk
	@printf '  %-6s %s\n' SYSROOT $(@D)
	$(Q)scripts/debian/root $(DEB_ARCH) $(SUITE) $(@D) $(SYSROOT_PACKAGES)
	$(Q)touch $@
endif
